"""The durations of the tests of each cell, and the groups of tests that are sent to a worker of xdist together."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import InvalidPlatform
from pytest_alpine.platforms import PLATFORMS, Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

_SLUGS: Final = {platform.slug: platform for platform in PLATFORMS}
# The id of the cell comes first in the brackets of a test's id, and ends with the platform.
_CELL: Final = re.compile(rf"\[(?P<cell>[^\]]*?-(?P<slug>{'|'.join(_SLUGS)}))[-\]]")

NATIVE: Final = "native"
EMULATED: Final = "emulated"
OTHER: Final = "other"

# Seconds that a test takes if no duration is known; an emulator is several times slower.
_GUESSES: Final = {NATIVE: 0.1, EMULATED: 0.5, OTHER: 0.05}

_CACHE: Final = "alpine/seconds"


def cell_group(nodeid: str) -> str:
    """Return the group of the test *nodeid*: its xdist group, its cell, or the test alone.

    >>> cell_group("tests/test_app.py::test_x[3.22-arm-v7-param]"), cell_group("test_app.py::test_y[3]")
    ('3.22-arm-v7', 'test_app.py::test_y[3]')
    """
    if nodeid.rfind("@") > nodeid.rfind("]"):
        return nodeid.rpartition("@")[2]
    match = _CELL.search(nodeid)
    return match["cell"] if match else nodeid


def kind_of(group: str) -> str:
    """Return whether the cell *group* is native or emulated on this machine, or no cell at all.

    >>> kind_of("test_app.py::test_y[3]")
    'other'
    """
    match = _CELL.match(f"[{group}]")
    if match is None:
        return OTHER
    return NATIVE if match["slug"] in _native_slugs() else EMULATED


@cache
def _native_slugs() -> frozenset[str]:
    try:
        machine = Platform.native()
    except InvalidPlatform:
        return frozenset()
    return frozenset(slug for slug, platform in _SLUGS.items() if platform.runs_on(machine))


class Durations:
    """How long a test of each cell takes: the time of the last run, which is in pytest's cache, else a guess."""

    def __init__(self, known: Mapping[str, float]) -> None:
        self._known = known
        self._spent: dict[str, float] = {}
        self._tests: dict[str, set[str]] = {}

    @classmethod
    def read(cls, cache: Any) -> Durations:  # noqa: ANN401 - pytest's cache, or None where it is off
        """Return the durations in *cache*."""
        known = cache.get(_CACHE, {}) if cache is not None else {}
        if not isinstance(known, dict):
            known = {}
        return cls({cell: seconds for cell, seconds in known.items() if isinstance(seconds, (int, float))})

    def write(self, cache: Any) -> None:  # noqa: ANN401 - pytest's cache, or None where it is off
        """Write to *cache* the seconds of this run and, for cells that did not run, those of earlier runs."""
        if cache is not None and self._spent:
            seen = {cell: round(spent / len(self._tests[cell]), 4) for cell, spent in self._spent.items()}
            cache.set(_CACHE, {**self._known, **seen})

    def add(self, nodeid: str, seconds: float) -> None:
        """Add the seconds of one phase of the test *nodeid*, which belongs to a cell."""
        cell = cell_group(nodeid)
        self._spent[cell] = self._spent.get(cell, 0.0) + seconds
        self._tests.setdefault(cell, set()).add(nodeid)

    def of(self, group: str, tests: int) -> float:
        """Return how many seconds that many *tests* of *group* will take."""
        return tests * self._known.get(group, _GUESSES[kind_of(group)])
