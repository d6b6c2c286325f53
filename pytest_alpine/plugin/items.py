"""What a collected test asks for: its cell, and which containers of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_alpine.matrix.cells import Cell

SHARED: Final = "alpine_container"
FRESH: Final = "alpine_container_per_test"


def cell_of(item: pytest.Item) -> Cell | None:
    """Return the cell that *item* tests, or None."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or "alpine_cell" not in callspec.params:
        return None
    from pytest_alpine.matrix.cells import Cell

    cell = callspec.params["alpine_cell"]  # pytest has a mark of its own for a test whose matrix is empty
    return cell if isinstance(cell, Cell) else None


def needs_of(item: pytest.Item) -> Sequence[tuple[Cell, bool]]:
    """Return which containers *item* asks for: of which cell, and whether a fresh one; a skipped test none."""
    cell = cell_of(item)
    if cell is None or item.get_closest_marker("skip"):
        return ()
    names = getattr(item, "fixturenames", ())
    return [(cell, fresh) for name, fresh in ((SHARED, False), (FRESH, True)) if name in names]
