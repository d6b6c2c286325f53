"""How long it takes to learn all facts of an image, against merely decompressing its layers.

::

    python -m benchmarks read

Eight official images of one release, read from an Alpine mirror in a folder (``../shared/alpine``, or where
``PYTEST_ALPINE_MIRROR`` says). Each round decompresses the tarballs, reads all facts with an empty store (cold), and
reads them again with a full one (warm, each image in a process of its own whose imports are not counted); taking
turns, all of them meet the same weather.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from pytest_alpine import open_image
from pytest_alpine.image.access import Access
from pytest_alpine.image.open import published_platforms
from pytest_alpine.image.store.store import Store

MIRROR = Path(os.environ.get("PYTEST_ALPINE_MIRROR", Path(__file__).parents[2] / "shared" / "alpine"))
TAG = "3.20"
PIECE = 1 << 20
GOAL_COLD = 1.5
GOAL_WARM = 5.0

WARM = """
import sys, time
sys.path.insert(0, sys.argv[1])
import bench_read, filelock, yaml, elftools.elf.elffile
from pathlib import Path
from pytest_alpine.image.minirootfs import source as minirootfs
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
access = Access(Store(Path(sys.argv[3])))
start = time.perf_counter()
bench_read.facts(sys.argv[2], access)
print(time.perf_counter() - start)
"""


def facts(platform: str, access: Access) -> None:
    """Ask one image for everything that it knows."""
    image = open_image(f"minirootfs:{MIRROR}:{TAG}", platform, access=access)
    for name in ("id", "config", "packages", "world", "release", "libc", "shells", "shell", "size"):
        assert getattr(image, name) is not None, name
    assert len(image.packages) > 10


def tarballs() -> list[Path]:
    return sorted((MIRROR / f"v{TAG}" / "releases").glob("*/alpine-minirootfs-*.tar.gz"))


def decompress(files: list[Path]) -> float:
    start = time.perf_counter()
    for file in files:
        with gzip.open(file) as stream:
            while stream.read(PIECE):
                pass
    return time.perf_counter() - start


def decompress_with_program(files: list[Path]) -> float:
    start = time.perf_counter()
    subprocess.run(["gzip", "-dc", *map(str, files)], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def cold(platforms: list[str], root: Path) -> float:
    access = Access(Store(root))
    start = time.perf_counter()
    for platform in platforms:
        facts(platform, access)
    return time.perf_counter() - start


def warm(platforms: list[str], root: Path) -> list[float]:
    """Return the seconds of each image, each in a fresh process."""
    folder = str(Path(__file__).parent)
    argv = ([sys.executable, "-c", WARM, folder, platform, str(root)] for platform in platforms)
    return [float(subprocess.run(args, capture_output=True, text=True, check=True).stdout) for args in argv]


def verdict(value: float, goal: float) -> str:
    return f"goal <= {goal:g}: {'met' if value <= goal else 'MISSED'}"


def main() -> None:
    rounds = int(os.environ.get("BENCHMARK_ROUNDS", "11"))
    files = tarballs()
    if not files:
        sys.exit(f"no root filesystems of {TAG} in {MIRROR}: set PYTEST_ALPINE_MIRROR to an Alpine mirror's folder")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        platforms = [
            str(p) for p in published_platforms(f"minirootfs:{MIRROR}:{TAG}", access=Access(Store(root / "first")))
        ]
        cold(platforms, root / "first")
        turns = []
        warm_seconds: list[float] = []
        for number in range(rounds):
            turns.append((decompress(files), cold(platforms, root / str(number)), decompress_with_program(files)))
            if number % 4 == 0:
                warm_seconds += warm(platforms, root / str(number))
    ratio = median(read / plain for plain, read, _ in turns)
    to_program = median(read / program for _, read, program in turns)
    plain, read, program = (1000 * median(column) for column in zip(*turns, strict=True))
    per_image = 1000 * median(warm_seconds)
    best = min(read for _, read, _ in turns) / min(plain for plain, _, _ in turns)
    print(f"{len(platforms)} images of Alpine {TAG}, {rounds} rounds, medians; needs two idle cores")
    print(f"decompress only   {plain:7.1f} ms with Python's gzip, {program:.1f} ms with gzip(1)")
    print(f"cold, all facts   {read:7.1f} ms = {ratio:.2f} x Python's gzip ({verdict(ratio, GOAL_COLD)})")
    print(f"                            = {to_program:.2f} x gzip(1) ({verdict(to_program, GOAL_COLD)})")
    print(f"                            = {best:.2f} x Python's gzip, best rounds ({verdict(best, GOAL_COLD)})")
    print(f"warm, all facts   {per_image:7.1f} ms an image ({verdict(per_image, GOAL_WARM)})")
    print(f"                  {1000 * min(warm_seconds):7.1f} ms, the best image")


if __name__ == "__main__":
    main()
