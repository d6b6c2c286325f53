"""Runs every benchmark, or those that the command line names."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

# Bytecode is kept, as on any machine of a user: else every start would compile everything that is not installed.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

for path in sorted(Path(__file__).parent.glob("bench_*.py")):
    if not sys.argv[1:] or path.stem.removeprefix("bench_") in sys.argv[1:]:
        runpy.run_path(str(path), run_name="__main__")
