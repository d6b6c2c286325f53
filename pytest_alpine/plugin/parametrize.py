"""The cells that a test runs for: once per cell, or once for its only cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pytest_alpine.errors import AlpineError
from pytest_alpine.plugin.items import cell_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_alpine.matrix.cells import Cell
    from pytest_alpine.plugin.session import AlpineSession

_NO_CELL: Final = "--alpine-tag and --alpine-platform leave no cell of the matrix that its marker declares"
_SHOWN: Final = 3


def once_per_cell(metafunc: pytest.Metafunc, session: AlpineSession) -> None:
    """Parametrize a test with the cells of its matrix; one whose matrix is empty is skipped."""
    try:
        cells = session.cells(metafunc.definition.iter_markers("alpine"))
    except AlpineError as error:
        # pytest shows this error of a collector without a stack.
        raise pytest.Collector.CollectError(f"{metafunc.definition.nodeid}: {error}") from error
    params = [pytest.param(cell, id=cell.id) for cell in cells]
    nothing = pytest.param(None, id="no-cell", marks=pytest.mark.skip(reason=_NO_CELL))
    metafunc.parametrize("alpine_cell", params or [nothing], indirect=True, scope="session")


def assign_only_cell(item: pytest.Item, session: AlpineSession) -> None:
    """Note at *item* the cell that it gets when it runs, if its matrix has exactly one."""
    try:
        cells = session.cells(item.iter_markers("alpine"))
    except AlpineError:  # reported when the test runs
        return
    if len(cells) == 1:
        item.stash[cell_key] = cells[0]


def set_only_cell(request: pytest.FixtureRequest, item: pytest.Item, session: AlpineSession) -> None:
    """Make the only cell of *item* the parameter of *request*, which is for ``alpine_cell``.

    pytest keeps the value of a fixture for the requests that have the same parameter. The next test comes without one,
    so it gets a cell of its own.
    """
    __tracebackhide__ = True
    try:
        cells = session.cells(item.iter_markers("alpine"))
    except AlpineError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    if not cells:
        raise pytest.skip.Exception(_NO_CELL)
    if len(cells) > 1:
        raise pytest.fail.Exception(_several(cells), pytrace=False)
    item.stash[cell_key] = request.param = cells[0]


def _several(cells: Sequence[Cell]) -> str:
    names = ", ".join(cell.id for cell in cells[:_SHOWN])
    more = f" and {len(cells) - _SHOWN} more" if len(cells) > _SHOWN else ""
    return (
        f"this test runs once, but its matrix has {len(cells)} cells: {names}{more}. "
        "To run it once per cell, name alpine_cell in the arguments of the test function, or write "
        '@pytest.mark.usefixtures("alpine_cell") above it. Where that cannot be (a method of unittest.TestCase, '
        "a doctest), choose one cell: --alpine-tag=TAG --alpine-platform=P"
    )
