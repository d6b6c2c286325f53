"""This package's errors in tests: each becomes a failure or a skip with one message."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from pytest_alpine.errors import AlpineError, EngineUnavailable, PlatformNotFound, PlatformNotRunnable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from pytest_alpine.matrix.cells import Cell
    from pytest_alpine.plugin.settings import Settings

_OWN: Final = __name__.partition(".")[0]
_RUNNERS: Final = ("_pytest", "pluggy")
_BETWEEN: Final = ("contextlib", "functools", "testinfra")  # libraries between a test's line and ours


@contextmanager
def problems_told(settings: Settings, cell: Cell | None = None) -> Iterator[None]:
    """Turn this package's errors into a failure or a skip that shows only the message, without stack and causes."""
    __tracebackhide__ = True
    try:
        yield
    except PlatformNotFound as error:
        _end(str(error), skip=settings.missing == "skip" or (cell is not None and not cell.declared))
    except (EngineUnavailable, PlatformNotRunnable) as error:
        _end(f"{error} (--alpine-missing=skip skips such tests)", skip=settings.missing == "skip")
    except AlpineError as error:
        named = cell is None or str(cell.reference) in str(error)
        _end(str(error) if named else f"{cell}: {error}", skip=False)


def shown_alone(error: BaseException) -> None:
    """Make a report show an error of this package at the test's line, without its causes and this package's lines.

    The causes are errors of other libraries, which the message already explains.
    """
    if isinstance(error, AlpineError):
        error.__cause__ = None
        error.__suppress_context__ = True
        _end_before_ours(error.__traceback__)


def _end_before_ours(traceback: TracebackType | None) -> None:
    caller = None
    while traceback is not None:
        top = str(traceback.tb_frame.f_globals.get("__name__")).partition(".")[0]
        if top == _OWN:
            if caller is not None:
                caller.tb_next = None
            return
        if top in _RUNNERS:  # they call the test, or a fixture of this package, whose own lines are then shown
            caller = None
        elif top not in _BETWEEN:
            caller = traceback
        traceback = traceback.tb_next


def _end(message: str, *, skip: bool) -> None:
    __tracebackhide__ = True
    if skip:
        raise pytest.skip.Exception(message) from None
    raise pytest.fail.Exception(message, pytrace=False) from None
