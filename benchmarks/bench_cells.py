"""104 checks on eight running cells: pytest-alpine against pytest-testinfra's docker backend, in one run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from pytest_alpine import open_image, published_platforms

HERE = Path(__file__).parent
MIRROR = Path(os.environ.get("PYTEST_ALPINE_MIRROR", HERE.parents[1] / "shared" / "alpine"))
ROUNDS = int(os.environ.get("BENCHMARK_ROUNDS", "3"))
# Plugins that have no part in it; Hypothesis alone takes half a second at the end of a run.
QUIET = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")


def seconds(name: str, environment: dict[str, str], *args: str) -> float:
    """Return how long a pytest run of one file takes, start of the interpreter included."""
    command = [sys.executable, "-m", "pytest", "-q", *QUIET, str(HERE / "cells" / name), *args]
    start = time.perf_counter()
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    elapsed = time.perf_counter() - start
    if "104 passed" not in done.stdout:
        raise SystemExit(f"{name} did not pass:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return elapsed


def main() -> None:
    reference = f"minirootfs:{MIRROR}:3.20"
    mirror = f"--alpine-image=minirootfs:{MIRROR}"
    seconds("test_alpine.py", {}, mirror)  # loads the images into the engine, for both
    images = {str(platform): open_image(reference, platform).id for platform in published_platforms(reference)}
    held = {"BENCHMARK_IMAGES": json.dumps(images)}
    pairs = [(seconds("test_testinfra.py", held), seconds("test_alpine.py", {}, mirror)) for _ in range(ROUNDS)]
    peer, own = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(theirs_took / ours_took for theirs_took, ours_took in pairs)
    print(f"104 checks on 8 cells: testinfra {peer:.2f} s, pytest-alpine {own:.2f} s: {ratio:.1f} times faster")


if __name__ == "__main__":
    main()
