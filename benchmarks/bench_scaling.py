"""Whether a run stays as fast and as small per cell as it grows, and what a second worker brings.

::

    python -m benchmarks scaling

Cells are official root filesystems of several releases on all platforms that run here, in two copies, so mixed that
each number of cells holds much the same share of emulated ones. What a session of no cell takes is left out. All
runs, whole processes, come from one call, so that the machine is the same for all.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_alpine import published_platforms
from pytest_alpine.platforms import Platform

MIRROR = Path(os.environ.get("PYTEST_ALPINE_MIRROR", Path(__file__).parents[2] / "shared" / "alpine"))
ROUNDS = int(os.environ.get("BENCHMARK_ROUNDS", "3"))
TAGS = ("3.20", "edge", "3.19", "3.13")
NUMBERS = (1, 8, 24, 48)
# An emulator for it is not yet in every distribution.
LEFT_OUT = {Platform.parse("loong64")}
FLAT = 1.2
TWO_WORKERS = 1.7
QUIET = ("-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:container")
BUSY = "i=0; while [ $i -lt {rounds} ]; do i=$((i+1)); done"
# Three quarters of a second or so, emulated, and three seconds. What an engine does to start a container, a third of a
# second of a core, is hidden from a single worker, on the core that it leaves idle: the less work there is beside it,
# the less a second one has to bring.
WORK = {"light": 60_000, "heavy": 240_000}
ENGINES = {
    "docker": ("--alpine-engine=docker",),
    "docker without a network": ("--alpine-engine=docker", "--alpine-network=none"),
    "bubblewrap": ("--alpine-engine=bubblewrap",),
}

TEST = """
@pytest.mark.alpine(image="minirootfs:{copy}:{tag}", platforms=["{platform}"])
def test_{number}(alpine_container, alpine_image):
    assert_installed(alpine_image, "musl")
    assert alpine_container.run({command!r}).exit_code == 0
"""
CONFTEST = """
import resource
def pytest_unconfigure():
    with open("memory", "a") as file:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=file)
"""

Cell = tuple[str, str, str]


def cells(folder: Path, *, emulated_only: bool = False) -> list[Cell]:
    """Return copies, tags and platforms, a release after the other."""
    copies = [str(MIRROR), str(folder / "copy")]
    Path(copies[1]).symlink_to(MIRROR)
    found = [
        (copy, tag, str(platform))
        for copy, tag in itertools.product(copies, TAGS)
        for platform in published_platforms(f"minirootfs:{copy}:{tag}")
        if platform not in LEFT_OUT
    ]
    return [cell for cell in found if not (emulated_only and Platform.parse(cell[2]).runs_on(Platform.native()))]


def measure(folder: Path, chosen: list[Cell], *args: str, command: str = "true") -> tuple[float, float]:
    """Return the seconds that a run of these cells takes, and the MB that its largest process has held."""
    (folder / "conftest.py").write_text(CONFTEST)
    tests = [
        TEST.format(number=number, copy=copy, tag=tag, platform=platform, command=command)
        for number, (copy, tag, platform) in enumerate(chosen)
    ]
    head = "import pytest\nfrom pytest_alpine import assert_installed\ndef test_nothing(): ...\n"
    (folder / "test_cells.py").write_text(head + "".join(tests))
    memory = folder / "memory"
    memory.unlink(missing_ok=True)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *QUIET, *args], cwd=folder, capture_output=True, text=True, check=False
    )
    elapsed = time.perf_counter() - start
    if f"{len(chosen) + 1} passed" not in done.stdout:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-1000:])
    return elapsed, max(map(int, memory.read_text().split())) / 1024


def verdict(value: float, goal: float, *, at_most: bool) -> str:
    met = value <= goal if at_most else value >= goal
    return f"{value:.2f} (goal {'at most' if at_most else 'at least'} {goal}: {'met' if met else 'MISSED'})"


def growth(folder: Path) -> None:
    every = cells(folder)
    measure(folder, every[: max(NUMBERS)])  # loads all images into the engine
    per_cell, held = {}, {}
    for number in NUMBERS:
        took = [
            (measure(folder, every[:number]), measure(folder, [])[0])  # next to each other, as a machine may change
            for _ in range(ROUNDS)
        ]
        per_cell[number] = statistics.median((seconds - empty) / number for (seconds, _), empty in took)
        held[number] = statistics.median(memory for (_, memory), _ in took)
        print(f"{number:3} cells: {1000 * per_cell[number]:6.0f} ms each, a process holds {held[number]:.0f} MB")
    several = [per_cell[number] for number in NUMBERS[1:]]
    flat = verdict(max(several) / min(several), FLAT, at_most=True)
    print(f"    time per cell from 8 on, the largest to the smallest: {flat}")
    print(f"    memory, 48 to 8 cells: {verdict(held[48] / held[8], FLAT, at_most=True)}")


def workers(folder: Path) -> None:
    chosen = cells(folder, emulated_only=True)[:12]
    for engine, (name, rounds) in itertools.product(ENGINES, WORK.items()):
        command, took = BUSY.format(rounds=rounds), []
        for _ in range(ROUNDS):
            words = [(f"-n{number}", *ENGINES[engine]) for number in (0, 2)]
            alone, two = (measure(folder, chosen, *args, command=command)[0] for args in words)
            took.append(alone / two)
            print(f"12 emulated cells, {name} work in {engine}: {alone:.1f} s with -n0, {two:.1f} s with -n2")
        print(f"    two workers: {verdict(statistics.median(took), TWO_WORKERS, at_most=False)} times as fast")


def main() -> None:
    for part in (growth, workers):
        with tempfile.TemporaryDirectory() as folder:
            part(Path(folder))


if __name__ == "__main__":
    main()
