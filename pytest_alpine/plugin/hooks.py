"""The entry point of the plugin. Every pytest session on the machine loads it, so it is short and imports little.

``session_hooks`` has the hooks of a session that uses the plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine.plugin import fixtures as _fixtures
from pytest_alpine.plugin.options import add_options, any_given
from pytest_alpine.plugin.state import session_of

if TYPE_CHECKING:
    from collections.abc import Generator

alpine_build = _fixtures.alpine_build
alpine_cell = _fixtures.alpine_cell
alpine_container = _fixtures.alpine_container
alpine_container_per_test = _fixtures.alpine_container_per_test
alpine_engine = _fixtures.alpine_engine
alpine_host = _fixtures.alpine_host
alpine_image = _fixtures.alpine_image

_MARKER = "alpine(tags=..., platforms=..., image=...): the test's own matrix of tags and platforms, and its image"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    add_options(parser)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """With ``-n`` and no ``--dist``, keep the tests of a cell on one worker, so that its container starts once."""
    # A wrapper runs before xdist's own hook, which turns "no" into "load".
    if config.getoption("numprocesses", None) and config.getoption("dist", None) == "no":
        config.option.dist = "loadgroup"
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:  # noqa: ANN401 - xdist may be absent
    """Send whole cells to workers if tests are distributed by groups."""
    if config.option.dist != "loadgroup":
        return None
    from pytest_alpine.plugin.xdist.scheduling import make_scheduler

    return make_scheduler(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist may be absent
    """Prepare to collect the reports of a worker, and send the worker the facts of the run that it needs."""
    session_of(node.config)
    from pytest_alpine.plugin.progress import hear
    from pytest_alpine.plugin.xdist.workers import tell_worker

    hear(node)
    tell_worker(node)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options if any is given, so that a wrong one ends the run before it begins."""
    config.addinivalue_line("markers", _MARKER)
    if any_given(config):
        session_of(config)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once per cell of its matrix; the cell's id comes first in the test's."""
    if "alpine_cell" in metafunc.fixturenames:
        from pytest_alpine.plugin.parametrize import once_per_cell

        once_per_cell(metafunc, session_of(metafunc.config))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test that cannot run once per cell, such as a method of ``unittest.TestCase``, its only cell."""
    if "alpine_cell" in getattr(item, "fixturenames", ()) and not hasattr(item, "callspec"):
        from pytest_alpine.plugin.parametrize import assign_only_cell

        assign_only_cell(item, session_of(item.config))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Store which test runs, because pytest does not tell a session-scoped fixture which test requests it."""
    item.config.stash[_fixtures.running_key] = item


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
    """Give its only cell to a test that requests ``alpine_cell`` while it runs."""
    if fixturedef.argname == "alpine_cell" and not hasattr(request, "param"):
        from pytest_alpine.plugin.parametrize import set_only_cell

        item = request.config.stash[_fixtures.running_key]
        set_only_cell(request, item, session_of(request.config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None], item: pytest.Item
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show one of our errors alone, at the line of the test."""
    if call.excinfo is not None and not item.config.getoption("fulltrace", False):
        from pytest_alpine.plugin.problems import shown_alone

        shown_alone(call.excinfo.value)
    return (yield)
