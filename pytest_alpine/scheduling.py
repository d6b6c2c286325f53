"""Dealing tests to xdist's workers: all tests of a cell go to one worker, so that its container starts once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from xdist.scheduler import LoadScopeScheduling

from pytest_alpine.platforms import PLATFORMS

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer

# A cell's id stands first in the brackets of a test's id, and ends with its platform.
_CELL: Final = re.compile(rf"\[(?P<cell>[^\]]*?-(?:{'|'.join(platform.slug for platform in PLATFORMS)}))[-\]]")


class CellScheduling(LoadScopeScheduling):
    """Deals whole cells, and every other test by itself; the largest cells first.

    xdist's own ``loadgroup`` asks the workers to append ``@group`` to test ids, which pytest 9.2 and newer do not
    allow; where such an id arrives it counts.
    """

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return cell_group(nodeid)


def cell_group(nodeid: str) -> str:
    """Return what the test *nodeid* is dealt with: its group, its cell, or itself.

    >>> cell_group("tests/test_app.py::test_x[3.22-arm-v7-param]"), cell_group("test_app.py::test_y[3]")
    ('3.22-arm-v7', 'test_app.py::test_y[3]')
    """
    if nodeid.rfind("@") > nodeid.rfind("]"):
        return nodeid.rpartition("@")[2]
    match = _CELL.search(nodeid)
    return match["cell"] if match else nodeid
