"""Feeds targets with what libFuzzer makes of their seeds: ``python -m tests.fuzz [TARGET...] [libFuzzer's options]``.

Needs ``atheris``, which is no dependency of the tests: ``tox -e fuzz`` brings it. Without a target, all take turns.
What a target fails on stays in the working directory, or where ``-artifact_prefix`` says; a copy of it in
``tests/fuzz/corpus/TARGET`` makes it an ordinary test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Final

# Seconds of one input and MiB of the process: what "bounded" means here. Options that are given come later, and win.
_LIMITS: Final = ("-timeout=10", "-rss_limit_mb=1024", "-max_total_time=60", "-print_final_stats=1")
_LENGTHS: Final = {"layers": 16384, "archive": 32768}
_LENGTH: Final = 4096
_TARGET: Final = "PYTEST_ALPINE_FUZZED"
_MEMORY: Final = Path("/dev/shm")


def main() -> int:
    """Run every target that is named, or all, and return how many failed."""
    from tests.fuzz.seeds import targets  # it imports the package, which the other process has to do its own way

    names = [word for word in sys.argv[1:] if not word.startswith("-")] or targets()
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    return sum(_run(name, options) for name in names)


def _run(name: str, options: list[str]) -> bool:
    """Run a target in a process of its own, which libFuzzer ends without a word to Python; return whether it failed."""
    from tests.fuzz.seeds import seeds

    memory = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="pytest-alpine-fuzz-", dir=memory) as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, seed in enumerate(seeds(name)):
            (corpus / str(number)).write_bytes(seed)
        command = [sys.executable, "-m", "tests.fuzz", *_LIMITS, f"-max_len={_LENGTHS.get(name, _LENGTH)}", *options]
        environment = os.environ | {_TARGET: name, "TMPDIR": folder}
        return subprocess.run([*command, str(corpus)], env=environment, check=False).returncode != 0


def _fuzz(name: str) -> None:
    import atheris

    with atheris.instrument_imports(include=["pytest_alpine", "elftools", "tarfile"]):
        from tests.fuzz.targets import TARGETS
    warnings.simplefilter("error")
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    if _TARGET in os.environ:
        _fuzz(os.environ[_TARGET])
    sys.exit(main())
