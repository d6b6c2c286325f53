"""A pytest session that has the plugin installed and uses none of it, against one without."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = int(os.environ.get("BENCHMARK_ROUNDS", "3")) * 7


def seconds(folder: str, *args: str) -> float:
    """Return how long a session of one empty test takes."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing(): pass\n", encoding="utf-8")
        seconds(folder)
        pairs = [(seconds(folder), seconds(folder, "-p", "no:alpine")) for _ in range(ROUNDS)]
    installed, without = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
    more = statistics.median(one - other for one, other in pairs) * 1000
    print(f"idle plugin: {installed:.0f} ms with, {without:.0f} ms without: {more:.1f} ms more (goal: at most 10)")


if __name__ == "__main__":
    main()
