"""The state of the plugin in one pytest process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_alpine.matrix.cells import cells
from pytest_alpine.plugin.images import CellImages
from pytest_alpine.plugin.items import CONTAINERS, cell_of, needs_of
from pytest_alpine.plugin.markers import read_markers
from pytest_alpine.plugin.named import unused
from pytest_alpine.plugin.running import RunningCells
from pytest_alpine.plugin.summary import RunSummary
from pytest_alpine.report.results import CellNote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pytest

    from pytest_alpine.matrix.cells import Cell
    from pytest_alpine.matrix.declaration import Declaration
    from pytest_alpine.plugin.settings import Settings
    from pytest_alpine.plugin.xdist.workers import Worker


class AlpineSession:
    """The state of the plugin in one process."""

    def __init__(self, settings: Settings, worker: Worker, say: Callable[[str], None]) -> None:
        """Open no image and start no container yet.

        Args:
            settings: what the options say.
            worker: this process's place among the processes of the run.
            say: tells the user about steps that take long.
        """
        self.settings = settings
        self.images = CellImages(settings, say, worker.run)
        self.running = RunningCells(settings, worker, self.images.get)
        self.summary = RunSummary(settings)
        self._native = worker.native
        self._matrices: dict[Declaration | None, tuple[Cell, ...]] = {}

    def cells(self, markers: Iterable[pytest.Mark]) -> tuple[Cell, ...]:
        """Return the cells of a test with these *markers*, the closest first.

        Tests that declare the same matrix get the same cells.

        Raises:
            AlpineError: a marker, the ini file or the command line cannot be read.
        """
        declared = read_markers(markers)
        if declared not in self._matrices:
            self._matrices[declared] = cells(self.settings.chosen, declared, self.settings.ini, self._native)
        return self._matrices[declared]

    def unused(self, items: Iterable[pytest.Item]) -> list[str]:
        """Return the options that name a tag or a platform of none of *items*."""
        return unused(self.settings.chosen, filter(None, map(cell_of, items)))

    def expect(self, items: Sequence[pytest.Item]) -> None:
        """Set the tests that run next, in order, and start the first containers that they need."""
        self.images.expect(filter(None, map(cell_of, items)))
        self.running.expect([need for item in items for need in needs_of(item)])

    def finished(self, item: pytest.Item) -> None:
        """Drop the image and stop the containers that no test needs after *item*."""
        cell = cell_of(item)
        if cell is not None:
            self.images.finished(cell)
        self.running.finished(needs_of(item))

    def describe(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Add the cell of *item* to *report* and, after a failure, logs and last commands of its containers."""
        cell = cell_of(item)
        if cell is None:
            return
        if report.failed:
            found: dict[str, Any] = getattr(item, "funcargs", None) or {}
            report.sections.extend(self.running.explain(cell, map(found.get, CONTAINERS)))
        report.alpine_cell = self._note(cell).to_json()  # type: ignore[attr-defined]

    def close(self) -> None:
        """Stop all containers, close the engine, and end the use of images; problems appear in the summary."""
        self.summary.not_cleaned_up.extend(self.running.close())
        self.images.close()

    def _note(self, cell: Cell) -> CellNote:
        return CellNote(
            tag=cell.tag,
            platform=str(cell.platform),
            reference=str(cell.reference),
            row=cell.row,
            emulated=self.running.is_emulated(cell),
            **self.images.describe(cell),
        )
