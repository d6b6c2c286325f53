"""Feeds a target with what libFuzzer makes of its seeds: ``python -m tests.fuzz TARGET [libFuzzer's options]``.

Needs ``atheris``, which is no dependency of the tests: ``tox -e fuzz`` brings it. Without a target, all take turns.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import atheris

with atheris.instrument_imports(include=["pytest_alpine", "elftools", "tarfile"]):
    from tests.fuzz.targets import TARGETS
from tests.fuzz.seeds import seeds

# Seconds of one input and MiB of the process: what "bounded" means here. Options that are given come later, and win.
_LIMITS: Final = ("-timeout=10", "-rss_limit_mb=1024", "-max_total_time=60", "-print_final_stats=1")
_LENGTHS: Final = {"layers": 16384, "archive": 32768}
_LENGTH: Final = 4096


def main() -> int:
    """Run one target in this process, or every target in one of its own; return how many failed."""
    names = [word for word in sys.argv[1:] if not word.startswith("-")]
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    if not names:
        runs = [subprocess.run([sys.executable, "-m", "tests.fuzz", name, *options], check=False) for name in TARGETS]
        return sum(run.returncode != 0 for run in runs)
    _fuzz(names[0], names[1:], options)
    return 0


def _fuzz(name: str, corpora: list[str], options: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="pytest-alpine-seeds-") as folder:
        for number, seed in enumerate(seeds(name)):
            Path(folder, str(number)).write_bytes(seed)
        length = f"-max_len={_LENGTHS.get(name, _LENGTH)}"
        # New inputs go to the first folder.
        atheris.Setup([sys.argv[0], *(corpora or [folder]), folder, *_LIMITS, length, *options], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
