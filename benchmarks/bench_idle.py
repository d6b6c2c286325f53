"""A pytest session that has the plugin installed and does not use it, against one without the plugin.

The package is a copy that is listed as a wheel's files are: pytest rewrites the assertions of such files, and does so
in every session where ``PYTHONDONTWRITEBYTECODE`` keeps it from storing the result.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = int(os.environ.get("BENCHMARK_ROUNDS", "3")) * 7
PACKAGE = Path(__file__).parent.parent / "pytest_alpine"
GOALS = {"bytecode kept": 10, "PYTHONDONTWRITEBYTECODE=1": 16}


def install(site: Path) -> None:
    """Copy the package into *site*, with what tells pytest that it is a plugin."""
    shutil.copytree(PACKAGE, site / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    about = site / "pytest_alpine-0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pytest-alpine\nVersion: 0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[pytest11]\nalpine = pytest_alpine.plugin.hooks\n", encoding="utf-8")
    files = [path.relative_to(site) for path in site.rglob("*") if path.is_file()]
    (about / "RECORD").write_text("".join(f"{path},,\n" for path in files), encoding="utf-8")


def seconds(folder: Path, env: dict[str, str], *args: str) -> float:
    """Return how long a session of one empty test takes."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args],
        cwd=folder,
        env=env,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        site, tests = Path(temporary, "site"), Path(temporary, "tests")
        install(site)
        tests.mkdir()
        (tests / "test_nothing.py").write_text("def test_nothing(): pass\n", encoding="utf-8")
        kept = {**os.environ, "PYTHONPATH": str(site)}
        for (what, goal), env in zip(GOALS.items(), (kept, {**kept, "PYTHONDONTWRITEBYTECODE": "1"}), strict=True):
            if env is not kept:
                for cache in site.rglob("__pycache__"):
                    shutil.rmtree(cache)
            seconds(tests, env)
            pairs = [(seconds(tests, env), seconds(tests, env, "-p", "no:alpine")) for _ in range(ROUNDS)]
            more = statistics.median(one - other for one, other in pairs) * 1000
            least = (min(one for one, _ in pairs) - min(other for _, other in pairs)) * 1000
            print(f"idle plugin, {what}: {more:.1f} ms more (least of each: {least:.1f}; goal: at most {goal})")


if __name__ == "__main__":
    main()
