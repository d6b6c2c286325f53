"""Collects the reports of all processes of a run, in the process that has the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_alpine.plugin.running import KEPT
from pytest_alpine.plugin.xdist.durations import Durations, cell_group

if TYPE_CHECKING:
    from pytest_alpine.plugin.summary import RunSummary

# What an xdist worker hands its controller at its end.
_NOT_CLEANED_UP: Final = "alpine_not_cleaned_up"
_UNUSED: Final = "alpine_unused"

_CRASH = "???"
"""xdist's word for the phase in which a worker died."""


def hand_over(config: Any, summary: RunSummary) -> None:  # noqa: ANN401 - xdist adds to pytest's config
    """Send to the controller the facts that only this worker knows; *config* is the worker's."""
    config.workeroutput[_NOT_CLEANED_UP] = summary.not_cleaned_up
    config.workeroutput[_UNUSED] = summary.unused


class ReportCollector:
    """Counts the tests of each cell, and writes to pytest's cache how long they took."""

    def __init__(self, summary: RunSummary, config: pytest.Config) -> None:
        self._summary = summary
        self._cache = getattr(config, "cache", None)
        self._durations = Durations.read(self._cache)
        self._crashed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a report for its cell."""
        note: dict[str, Any] | None = getattr(report, "alpine_cell", None)
        if note is not None:
            self._summary.results.add(note, report.nodeid, report.when, report.outcome, report.duration)
            self._durations.add(report.nodeid, report.duration)
            kept = [text for heading, text in report.sections if heading == KEPT]
            self._summary.kept.extend(f"{report.nodeid}: {text}" for text in kept)
        elif report.when == _CRASH:
            self._crashed.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Before reports are written, count the tests that killed workers, and store how long each cell took."""
        if self._summary.has_results:
            for nodeid in self._crashed:
                self._count_crash(nodeid)
            self._durations.write(self._cache)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 - xdist may be absent
        """Receive the facts that a worker sent."""
        output = getattr(node, "workeroutput", {})
        self._summary.not_cleaned_up.extend(output.get(_NOT_CLEANED_UP, ()))
        self._summary.unused.extend(output.get(_UNUSED, ()))

    def _count_crash(self, nodeid: str) -> None:
        """Count a test whose worker died before it told the cell, if other tests tell which image its cell is of."""
        group = cell_group(nodeid)
        cells = [cell for cell in self._summary.results if group in map(cell_group, cell.outcomes)]
        if len(cells) == 1:
            cells[0].outcomes[nodeid] = "failed"
