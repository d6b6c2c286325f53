"""The hooks of a pytest session that uses the plugin."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from pytest_alpine.plugin.collector import ReportCollector, hand_over
from pytest_alpine.plugin.named import explain, may_ask_later
from pytest_alpine.plugin.progress import register_progress_line, say
from pytest_alpine.plugin.session import AlpineSession
from pytest_alpine.plugin.settings import read_settings
from pytest_alpine.plugin.xdist.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_alpine.plugin.xdist.queue import WorkerQueue


def register_hooks(config: pytest.Config) -> AlpineSession:
    """Create the state of this process, and register the hooks that use it.

    Raises:
        pytest.UsageError: an option has a wrong value.
    """
    settings = read_settings(config)
    session = AlpineSession(settings, Worker.of(config), partial(say, config))
    if settings.today is not None:
        from pytest_alpine.checks.today import pin_today

        config.add_cleanup(pin_today(settings.today))
    config.pluginmanager.register(SessionHooks(session), "alpine-session")
    if not _is_worker(config):
        config.pluginmanager.register(ReportCollector(session.summary, config), "alpine-results")
        register_progress_line(config)
        if settings.cache_limit is not None:
            from pytest_alpine.plugin.cache_limit import CacheLimit

            config.pluginmanager.register(CacheLimit(settings.cache_limit, session.summary), "alpine-cache-limit")
    return session


_GREEN: Final = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


class SessionHooks:
    """Prepares images and containers for tests, collects results, and cleans up."""

    def __init__(self, session: AlpineSession) -> None:
        self._session = session

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        """Show the images under test and the engine. Show nothing in a suite that may not test images at all."""
        settings = self._session.settings
        if not settings.configured:
            return []
        from pytest_alpine.engine.select import describe_choice
        from pytest_alpine.report.header import header_lines

        # Under --collect-only, no engine is contacted.
        engine = settings.engine if config.option.collectonly else describe_choice(settings.engine)
        return header_lines(settings, engine)

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Show progress on the terminal, which pytest had not opened yet when it read the options."""
        if not _is_worker(session.config):
            register_progress_line(session.config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """End the run if the command line names a tag or a platform that no test has, before -k and -m choose tests."""
        options = [] if session.testsfailed else self._session.unused(items)
        if not options:
            return
        if may_ask_later(items):
            self._session.summary.unused[:] = options
        elif _is_worker(session.config):  # the controller ends the run: all workers have no tests
            self._session.summary.unused[:] = options
            items.clear()
        else:
            raise pytest.UsageError(explain(options))

    def pytest_deselected(self) -> None:
        """Report no unused tag, because a deselected test might have requested it."""
        self._session.summary.unused.clear()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Start the first containers; xdist's controller and --collect-only run no tests."""
        config = session.config
        if config.option.collectonly:
            self.pytest_deselected()
            return
        if _is_worker(config):
            from pytest_alpine.plugin.xdist.queue import WorkerQueue

            config.pluginmanager.register(WorkerPlan(self._session, WorkerQueue(session)), "alpine-plan")
        elif config.getoption("dist", "no") == "no":
            self._session.expect(session.items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the cell to the report and, after a failure, logs and last commands of its containers."""
        report = yield
        self._session.describe(item, report)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Stop a cell's containers after the last test that needs them."""
        result = yield
        self._session.finished(item)
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Stop the containers, compare the sizes with the ledger, and write the report files."""
        self._session.close()
        summary = self._session.summary
        if _is_worker(session.config):
            hand_over(session.config, summary)
            return
        written = summary.write()
        if session.exitstatus in _GREEN and summary.not_tested():
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        elif session.exitstatus == pytest.ExitCode.OK and not written:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the tag x platform grid, the containers that were kept, and what went wrong outside of tests."""
        for heading, lines in self._session.summary.sections():
            terminalreporter.section(f"alpine: {heading}")
            for line in lines:
                terminalreporter.line(line)

    def pytest_unconfigure(self) -> None:
        """Stop all containers that still run, however the run ended."""
        self._session.close()


class WorkerPlan:
    """Reports to the session of an xdist worker which tests the worker runs."""

    def __init__(self, session: AlpineSession, queue: WorkerQueue) -> None:
        self._session = session
        self._queue = queue

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Start the containers that the tests need which xdist has sent since the last one."""
        tests = self._queue.changed(item, nextitem)
        if tests is not None:
            self._session.expect(tests)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
