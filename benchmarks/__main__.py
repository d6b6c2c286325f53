"""Runs every benchmark, or those that the command line names."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

for path in sorted(Path(__file__).parent.glob("bench_*.py")):
    if not sys.argv[1:] or path.stem.removeprefix("bench_") in sys.argv[1:]:
        runpy.run_path(str(path), run_name="__main__")
