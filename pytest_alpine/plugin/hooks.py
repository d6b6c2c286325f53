"""The pytest plugin: hooks of a few lines."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine.errors import AlpineError
from pytest_alpine.plugin import fixtures as _fixtures
from pytest_alpine.plugin.items import cell_of
from pytest_alpine.plugin.options import add_options, read_settings
from pytest_alpine.plugin.problems import shown_alone
from pytest_alpine.plugin.session import KEPT, AlpineSession, alpine_key
from pytest_alpine.plugin.xdist.workers import Role

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_alpine.plugin.xdist.durations import Durations
    from pytest_alpine.plugin.xdist.queue import DealtTests

alpine_build = _fixtures.alpine_build
alpine_cell = _fixtures.alpine_cell
alpine_container = _fixtures.alpine_container
alpine_container_per_test = _fixtures.alpine_container_per_test
alpine_engine = _fixtures.alpine_engine
alpine_host = _fixtures.alpine_host
alpine_image = _fixtures.alpine_image

_PROBLEMS = "alpine_problems"
_CRASH = "???"
"""xdist's word for the phase in which a worker died."""
_MARKER = "alpine(tags=..., platforms=..., image=...): the test's own matrix of tags and platforms, and its image"

_NO_CELL = pytest.mark.skip(
    reason="--alpine-tag and --alpine-platform leave no cell of the matrix that its marker declares"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    add_options(parser)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """With ``-n`` and no ``--dist``, keep the tests of a cell on one worker, so that its container starts once."""
    # A wrapper comes before xdist's own hook, which turns "no" into "load".
    if config.getoption("numprocesses", None) and config.getoption("dist", None) == "no":
        config.option.dist = "loadgroup"
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:  # noqa: ANN401 - xdist may be absent
    """Deal whole cells where tests are dealt by groups."""
    if config.option.dist != "loadgroup":
        return None
    from pytest_alpine.plugin.xdist.durations import Durations
    from pytest_alpine.plugin.xdist.scheduling import CellScheduling

    return CellScheduling(config, log, Durations.read(getattr(config, "cache", None)))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist may be absent
    """Let a worker's progress reach the terminal, and tell it what it has to know of the run."""
    from pytest_alpine.plugin.progress import hear
    from pytest_alpine.plugin.xdist.workers import brief

    hear(node)
    brief(node)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, and make the state of this process."""
    config.addinivalue_line("markers", _MARKER)
    settings = read_settings(config)
    config.stash[alpine_key] = AlpineSession(settings, partial(_say, config), Role.of(config))
    if settings.today is not None:
        from pytest_alpine.checks.today import pin_today

        config.add_cleanup(pin_today(settings.today))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what is still running, however the run ended."""
    if alpine_key in config.stash:
        config.stash[alpine_key].close()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is under test, and what runs it; nothing in a suite that may not be about images at all."""
    settings = config.stash[alpine_key].settings
    if not settings.configured:
        return []
    from pytest_alpine.engine.select import describe_choice
    from pytest_alpine.report.header import header_lines

    # A listing asks nobody.
    engine = settings.engine if config.option.collectonly else describe_choice(settings.engine)
    return header_lines(settings, engine)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once per cell of its matrix; the cell's id comes first in the test's."""
    if "alpine_cell" not in metafunc.fixturenames:
        return
    try:
        cells = metafunc.config.stash[alpine_key].cells(metafunc.definition.iter_markers("alpine"))
    except AlpineError as error:
        # Of collectors, this is the error that is shown without a stack.
        raise pytest.Collector.CollectError(f"{metafunc.definition.nodeid}: {error}") from error
    params = [pytest.param(cell, id=cell.id) for cell in cells] or [pytest.param(None, id="no-cell", marks=_NO_CELL)]
    metafunc.parametrize("alpine_cell", params, indirect=True, scope="session")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the first containers; xdist's controller and a listing run no tests."""
    config = session.config
    if config.option.collectonly:
        return
    if hasattr(config, "workerinput"):
        from pytest_alpine.plugin.xdist.queue import DealtTests

        config.pluginmanager.register(WorkerPlan(config.stash[alpine_key], DealtTests(session)), "alpine-dealt")
    elif config.getoption("dist", "no") == "no":
        config.stash[alpine_key].expect(session.items)


class WorkerPlan:
    """Learns in an xdist worker which of the tests are its own."""

    def __init__(self, session: AlpineSession, dealt: DealtTests) -> None:
        self._session = session
        self._dealt = dealt

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Start the containers that the tests dealt since the last one need."""
        news = self._dealt.news(item, nextitem)
        if news is not None:
            self._session.expect(news)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note in the report which cell it is of, and in that of a failure what its containers did."""
    if call.excinfo is not None and not item.config.getoption("fulltrace", False):
        shown_alone(call.excinfo.value)
    report = yield
    cell = cell_of(item)
    if cell is not None:
        alpine = item.config.stash[alpine_key]
        if report.failed:
            alpine.explain(item, report)
        report.alpine_cell = alpine.note(cell)  # type: ignore[attr-defined]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let go of a cell's containers after the last test that needs them."""
    result = yield
    item.config.stash[alpine_key].finished(item)
    return result


class ReportCollector:
    """Collects where the terminal is what all processes report."""

    def __init__(self, config: pytest.Config) -> None:
        self._session = config.stash[alpine_key]
        self._cache = getattr(config, "cache", None)
        self._crashed: list[str] = []

    @cached_property
    def _durations(self) -> Durations:
        from pytest_alpine.plugin.xdist.durations import Durations

        return Durations.read(self._cache)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a report for its cell."""
        note: dict[str, Any] | None = getattr(report, "alpine_cell", None)
        if note is not None:
            self._session.results.add(note, report.nodeid, report.when, report.outcome, report.duration)
            self._durations.add(report.nodeid, report.duration)
            kept = [text for heading, text in report.sections if heading == KEPT]
            self._session.kept.extend(f"{report.nodeid}: {text}" for text in kept)
        elif report.when == _CRASH:
            self._crashed.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Count what workers died of, before reports are written; let the next run know how long the cells took."""
        if self._session.has_results:
            for nodeid in self._crashed:
                self._count_crash(nodeid)
            self._durations.write(self._cache)

    def _count_crash(self, nodeid: str) -> None:
        """Count a test that no worker told the cell of, where other tests tell which image its cell is of."""
        from pytest_alpine.plugin.xdist.durations import cell_group

        group = cell_group(nodeid)
        cells = [cell for cell in self._session.results if group in map(cell_group, cell.outcomes)]
        if len(cells) == 1:
            cells[0].outcomes[nodeid] = "failed"

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 - xdist may be absent
        """Take over what went wrong when a worker cleaned up."""
        self._session.problems.extend(getattr(node, "workeroutput", {}).get(_PROBLEMS, ()))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Collect results where the terminal is: in the only process, or in xdist's controller."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(ReportCollector(config), "alpine-results")
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and terminal.isatty:
        from pytest_alpine.plugin.progress import PLUGIN, ProgressLine

        config.pluginmanager.register(ProgressLine(config), PLUGIN)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the containers, hold the sizes against the ledger, and write the report files."""
    alpine = session.config.stash[alpine_key]
    alpine.close()
    if hasattr(session.config, "workerinput"):
        session.config.workeroutput[_PROBLEMS] = alpine.problems  # type: ignore[attr-defined]  # xdist sets it
        return
    if not alpine.report() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the tag x platform grid, the containers that were kept, and what went wrong outside of tests."""
    alpine = terminalreporter.config.stash[alpine_key]
    for heading, lines in alpine.summary():
        terminalreporter.section(f"alpine: {heading}")
        for line in lines:
            terminalreporter.line(line)


def _say(config: pytest.Config, text: str) -> None:
    from pytest_alpine.plugin.progress import say

    say(config, text)
