"""The cell of a collected test, and the containers that it requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_alpine.matrix.cells import Cell

_SHARED: Final = "alpine_container"
_FRESH: Final = "alpine_container_per_test"
CONTAINERS: Final = (_SHARED, _FRESH)
"""The fixtures that are containers."""

cell_key = pytest.StashKey["Cell"]()
"""Where a test that was not collected once per cell notes the cell that it got while it ran."""


def cell_of(item: pytest.Item) -> Cell | None:
    """Return the cell that *item* tests, or None."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or "alpine_cell" not in callspec.params:
        return item.stash.get(cell_key, None)
    from pytest_alpine.matrix.cells import Cell

    cell = callspec.params["alpine_cell"]  # pytest has a mark of its own for a test whose matrix is empty
    return cell if isinstance(cell, Cell) else None


def needs_of(item: pytest.Item) -> Sequence[tuple[Cell, bool]]:
    """Return the containers that *item* requests: the cell of each, and whether it is a fresh one."""
    cell = cell_of(item)
    if cell is None or item.get_closest_marker("skip"):
        return ()
    names = getattr(item, "fixturenames", ())
    return [(cell, fresh) for name, fresh in ((_SHARED, False), (_FRESH, True)) if name in names]
