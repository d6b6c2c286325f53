"""Telling the user of long steps: one line on the terminal, wherever the tests run, gone when the step is over.

xdist's workers have no terminal: what they tell goes to its controller, on a channel beside the one of xdist's own.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGIN: Final = "alpine-progress"
"""What the line of this process is registered as."""

_INPUT: Final = "alpine_progress"
_TAIL: Final = 20  # of a text that is too long, its end tells how far the step is

# ECMA-48: the cursor to the line's start, and all behind it erased; then a line up, and to the right.
_ERASE: Final = "\r\x1b[K"
_UP: Final = "\x1b[A"
_RIGHT: Final = "\x1b[{}C"


class ProgressLine:
    """A line of the terminal below the one that pytest writes; it goes away before pytest goes on."""

    def __init__(self, config: pytest.Config) -> None:
        """Write to what is standard output now: while tests run, pytest captures all that is written there."""
        self._pytest = config.get_terminal_writer()
        self._terminal = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        self._shown = False
        self._lock = RLock()  # workers are heard in threads of their own

    def say(self, text: str) -> None:
        """Show *text* in place of what was said last."""
        with self._lock:
            self._write(_ERASE if self._shown else "\n", _fitted(f"alpine: {text}", self._pytest.fullwidth - 1))
            self._shown = True

    @contextmanager
    def away(self) -> Iterator[None]:
        """Bring the terminal back to how pytest left it, and keep it so."""
        with self._lock:
            if self._shown:
                column = self._pytest.width_of_current_line
                self._write(_ERASE, _UP, _RIGHT.format(column) if column > 0 else "")
            self._shown = False
            yield

    def _write(self, *texts: str) -> None:
        with suppress(OSError):  # the terminal is gone
            self._terminal.write("".join(texts))
            self._terminal.flush()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logstart(self) -> Iterator[None]:
        """Make way for the name of a test."""
        with self.away():
            yield

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self) -> Iterator[None]:
        """Make way for a result."""
        with self.away():
            yield

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Make way for the summary, which comes when the plugin has stopped its containers."""
        with self.away():
            pass

    def pytest_unconfigure(self) -> None:
        """Let go of the terminal."""
        with self.away():
            self._terminal.close()


def say(config: pytest.Config, text: str) -> None:
    """Tell the user of a long step, on the terminal of this process or of xdist's controller; a log is told nothing."""
    channel = getattr(config, "workerinput", {}).get(_INPUT)
    line: ProgressLine | None = config.pluginmanager.get_plugin(PLUGIN)
    if channel is not None:
        with suppress(OSError):  # the controller is gone
            channel.send(text)
    elif line is not None:
        line.say(text)


def hear(node: Any) -> None:  # noqa: ANN401 - xdist has no types
    """Show what the worker *node*, which is about to start, will tell."""
    line: ProgressLine | None = node.config.pluginmanager.get_plugin(PLUGIN)
    if line is not None:
        channel = node.gateway.newchannel()
        channel.setcallback(line.say)
        node.workerinput[_INPUT] = channel


def _fitted(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - _TAIL - 3]}...{text[-_TAIL:]}"
