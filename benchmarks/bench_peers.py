"""104 checks on eight running cells: pytest-alpine against its peers, the same work in one run.

::

    python -m benchmarks peers

The images are in the engine before anything is measured. Each peer does it its own way, as its documentation shows;
all processes count whole, from the start of the interpreter to their end. The peers' versions are pinned in the
dependency group ``bench``. Nothing on the engine can be faster than the engine itself, which is measured beside them.
Then the same without a network, for all that can start containers so.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pytest_alpine import open_image, published_platforms

HERE = Path(__file__).parent
MIRROR = Path(os.environ.get("PYTEST_ALPINE_MIRROR", HERE.parents[1] / "shared" / "alpine"))
ROUNDS = int(os.environ.get("BENCHMARK_ROUNDS", "3"))
# Without the settings of this repository, and without plugins that have no part in it; Hypothesis alone takes half a
# second at the end of a run.
QUIET = (
    *("-q", "-c", os.devnull, f"--rootdir={HERE}", "--noconftest"),
    *("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:timeout"),
)
OWN = ("-p", "no:container")
THEIRS = ("-p", "no:alpine")
# Networks of Docker, and our own engines that are measured with it. bubblewrap has none.
NETWORKS = {"bridge": ("docker", "bubblewrap"), "none": ("docker",)}


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Something that does the 104 checks."""

    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    rounds: int = ROUNDS
    says: str = "104 passed"

    def seconds(self, environment: dict[str, str]) -> float:
        """Return how long it takes, start of the interpreter included."""
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *self.command],
            env=os.environ | environment | dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        elapsed = time.perf_counter() - start
        if self.says not in done.stdout:
            raise SystemExit(f"{self.name} did not pass:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        return elapsed


def pytest_peer(name: str, file: str, *args: str, **more: object) -> Peer:
    return Peer(name=name, command=("-m", "pytest", *QUIET, str(HERE / "peers" / file), *args), **more)  # type: ignore[arg-type]


def own(engine: str, network: str) -> Peer:
    connected = f"--alpine-network={'none' if engine == 'bubblewrap' else network}"
    args = (*OWN, f"--alpine-image=minirootfs:{MIRROR}", f"--alpine-engine={engine}", connected)
    return pytest_peer(f"pytest-alpine on {engine}", "test_alpine.py", *args, rounds=2 * ROUNDS)


# Each with the goals for our own engines: how many times faster.
PEERS = {
    pytest_peer("pytest-testinfra", "test_testinfra.py", *OWN, *THEIRS): {"docker": 15, "bubblewrap": 30},
    Peer(name="container-structure-test", command=(str(HERE / "peers" / "structure.py"),)): {"docker": 20},
    pytest_peer(
        "pytest_container",
        "test_pytest_container.py",
        *THEIRS,
        environment=(("PULL_ALWAYS", "0"), ("CONTAINER_RUNTIME", "docker")),
        rounds=1,
    ): {"docker": 75},
}


ENGINE_ALONE = Peer(
    name="docker alone, 8 containers",
    command=(str(HERE / "peers" / "engine_alone.py"),),
    rounds=2 * ROUNDS,
    says="8 containers",
)


def main() -> None:
    reference = f"minirootfs:{MIRROR}:3.20"
    for engine in NETWORKS["bridge"]:
        own(engine, "bridge").seconds({})  # loads the images into the engine, for all, and compiles
    images = {str(platform): open_image(reference, platform).id for platform in published_platforms(reference)}
    for network, engines in NETWORKS.items():
        _compare(engines, network, {"BENCHMARK_IMAGES": json.dumps(images), "BENCHMARK_NETWORK": network})


def _compare(engines: tuple[str, ...], network: str, held: dict[str, str]) -> None:
    took = {peer: [peer.seconds(held) for _ in range(peer.rounds)] for peer in (*PEERS, ENGINE_ALONE)}
    ours = {engine: [own(engine, network).seconds(held) for _ in range(2 * ROUNDS)] for engine in engines}
    print(f"104 checks on 8 cells, whole processes, medians, Docker's network: {network}")
    for engine, seconds in ours.items():
        print(f"{own(engine, network).name:30} {statistics.median(seconds):7.2f} s")
    for peer, seconds in took.items():
        theirs = statistics.median(seconds)
        goals = PEERS.get(peer, {})
        print(f"{peer.name:30} {theirs:7.2f} s", *(_ratio(theirs, ours[e], e, goals.get(e)) for e in ours))


def _ratio(theirs: float, ours: list[float], engine: str, goal: int | None) -> str:
    times = theirs / statistics.median(ours)
    verdict = f" (goal {goal}: {'met' if times >= goal else 'MISSED'})" if goal else ""
    return f" {engine} {times:.1f} times faster{verdict}"


if __name__ == "__main__":
    main()
