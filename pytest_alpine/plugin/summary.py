"""The end of a run: the grid, report files, the size ledger, and problems; in the process that has the terminal."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_alpine.errors import AlpineError
from pytest_alpine.plugin.named import explain, unused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_alpine.plugin.settings import Settings
    from pytest_alpine.report.results import Results


class RunSummary:
    """The results of a run and, by heading, the lines that its end shows."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.kept: list[str] = []
        """How to enter each container that was kept."""
        self.not_cleaned_up: list[str] = []
        self.unused: list[str] = []
        """Options that name a tag or a platform that no collected test had; a test may have asked for it later."""
        self._growth: list[str] = []
        self._not_written: list[str] = []

    @cached_property
    def results(self) -> Results:
        """The result of each cell."""
        from pytest_alpine.report.results import Results

        return Results(self._settings.chosen.over(self._settings.ini).tags or ())

    @property
    def has_results(self) -> bool:
        """Whether any test of a cell was reported."""
        return "results" in self.__dict__

    def write(self) -> bool:
        """Write the report files, and compare the sizes with the ledger or rewrite it; return whether all went well.

        Sizes that grew too much and files that could not be written are among the ``sections``.
        """
        for path in self._settings.reports:
            from pytest_alpine.report.files import write_report

            with self._failures_noted():
                write_report(path, self.results)
        if self._settings.sizes is not None and self.has_results:
            with self._failures_noted():
                self._use_ledger(self._settings.sizes)
        return not (self._growth or self._not_written)

    def not_tested(self) -> list[str]:
        """Return the options that name a tag or a platform that no test had."""
        still = unused(self._settings.chosen, self.results if self.has_results else ())
        return [option for option in dict.fromkeys(self.unused) if option in still]

    def sections(self) -> Iterator[tuple[str, Iterable[str]]]:
        """Yield headings and lines for the end of the run."""
        if self.has_results:
            from pytest_alpine.report.grid import grid_lines

            # A run with a declared matrix says so in its header.
            moving = not self._settings.configured and any(cell.tag == "latest" for cell in self.results)
            note = ["latest moves: pin a tag with --alpine-tag or alpine_tags"] if moving else []
            yield "tag x platform", [*grid_lines(self.results), *note]
        options = self.not_tested()
        told = {
            "not tested": [explain(options)] if options else [],
            "kept containers": self.kept,
            "sizes over the ledger": self._growth,
            "not written": self._not_written,
            "not cleaned up": self.not_cleaned_up,
        }
        yield from ((heading, lines) for heading, lines in told.items() if lines)

    def _use_ledger(self, path: Path) -> None:
        from pytest_alpine.report.ledger import Ledger

        ledger = Ledger.read(path)
        if self._settings.update_sizes:
            ledger.updated(self.results).write(path)
        else:
            self._growth = list(ledger.growth(self.results))

    @contextmanager
    def _failures_noted(self) -> Iterator[None]:
        try:
            yield
        except AlpineError as error:
            self._not_written.append(str(error))
