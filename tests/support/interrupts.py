"""Exceptions in the middle of a test, as Ctrl-C, a debugger and pytest-timeout raise them."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTS = [KeyboardInterrupt, TimeoutError, RuntimeError]
"""Exceptions that signal handlers raise: Python's own, and one that users may define."""


@contextmanager
def interrupted(error: type[BaseException], seconds: float = 0.5) -> Iterator[None]:
    """Raise *error* in the main thread after *seconds*, and expect it."""

    def raise_it(*_: object) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, raise_it)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        with pytest.raises(error):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
