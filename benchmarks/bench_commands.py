"""What a command in a running container costs beyond the command itself.

::

    python -m benchmarks commands

1,000 times the same program in one native container per engine, against the same program started in turn by a shell
that is in there already, which is the least that starting it can take.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_alpine import open_image
from pytest_alpine.engine.select import select_engine

if TYPE_CHECKING:
    from pytest_alpine import Container

MIRROR = Path(os.environ.get("PYTEST_ALPINE_MIRROR", Path(__file__).parents[2] / "shared" / "alpine"))
ENGINES = ("docker", "bubblewrap")
TIMES = 1000
PROGRAM = "/bin/true"
GOAL_MEDIAN = 1.0
GOAL_P99 = 5.0


def milliseconds(container: Container) -> list[float]:
    """Return how long each call takes, as the test that makes it sees it."""
    took = []
    for _ in range(TIMES):
        start = time.perf_counter()
        result = container.run([PROGRAM])
        took.append(1000 * (time.perf_counter() - start))
        assert result.exit_code == 0
    return took


def milliseconds_inside(container: Container) -> float:
    """Return how long the program itself takes, in a subshell of its own like every command."""
    loop = f"i=0; while [ $i -lt {TIMES} ]; do ( exec {PROGRAM} ); i=$((i+1)); done"
    start = time.perf_counter()
    container.run(loop, check=True)
    return 1000 * (time.perf_counter() - start) / TIMES


def verdict(value: float, goal: float) -> str:
    return f"{value:.2f} ms (goal <= {goal:g}: {'met' if value <= goal else 'MISSED'})"


def main() -> None:
    image = open_image(f"minirootfs:{MIRROR}:3.20")
    for name in ENGINES:
        engine = select_engine(name)
        try:
            with engine.start(image) as container:
                container.run([PROGRAM])
                inside = milliseconds_inside(container)
                over = sorted(took - inside for took in milliseconds(container))
                print(f"{name}: {PROGRAM} takes {inside:.2f} ms in the container; {TIMES} calls take more than that by")
                print(f"    median {verdict(statistics.median(over), GOAL_MEDIAN)}", end=", ")
                print(f"99th percentile {verdict(over[TIMES * 99 // 100], GOAL_P99)}")
        finally:
            engine.close()


if __name__ == "__main__":
    main()
