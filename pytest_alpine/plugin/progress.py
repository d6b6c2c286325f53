"""Shows steps that take long: one line on the terminal, which is removed when the step is over.

xdist's workers have no terminal. They send their texts to the controller, on a channel beside xdist's own.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, nullcontext, suppress
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLUGIN: Final = "alpine-progress"

_INPUT: Final = "alpine_progress"
_TAIL: Final = 20  # characters kept at the end of a text that is too long, because they show the progress

# ECMA-48: to the start of the line and erase it; one line up; so many columns to the right.
_ERASE: Final = "\r\x1b[K"
_UP: Final = "\x1b[A"
_RIGHT: Final = "\x1b[{}C"


class ProgressLine:
    """A line on the terminal below the one that pytest writes; it is removed before pytest continues."""

    def __init__(self, config: pytest.Config) -> None:
        """Write to what is standard output now; while tests run, pytest captures standard output."""
        self._pytest = config.get_terminal_writer()
        self._terminal = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        self._shown = False
        self._lock = RLock()  # the texts of workers arrive in threads of their own

    def say(self, text: str) -> None:
        """Show *text* in place of the last text."""
        with self._lock:
            self._write(_ERASE if self._shown else "\n", _fitted(f"alpine: {text}", self._pytest.fullwidth - 1))
            self._shown = True

    @contextmanager
    def away(self) -> Iterator[None]:
        """Remove the line, move the cursor back to where pytest left it, and write nothing meanwhile."""
        with self._lock:
            if self._shown:
                column = self._pytest.width_of_current_line
                self._write(_ERASE, _UP, _RIGHT.format(column) if column > 0 else "")
            self._shown = False
            yield

    def _write(self, *texts: str) -> None:
        with suppress(OSError):  # the terminal was closed
            self._terminal.write("".join(texts))
            self._terminal.flush()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logstart(self) -> Iterator[None]:
        """Remove the line before pytest writes the name of a test."""
        with self.away():
            yield

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self) -> Iterator[None]:
        """Remove the line before pytest writes a result."""
        with self.away():
            yield

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Remove the line before the summary, after the plugin has stopped its containers."""
        with self.away():
            pass

    def pytest_unconfigure(self) -> None:
        """Close the terminal."""
        with self.away():
            self._terminal.close()


def register_progress_line(config: pytest.Config) -> None:
    """Give this process its progress line, if it writes to a terminal."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or not terminal.isatty or config.pluginmanager.has_plugin(_PLUGIN):
        return
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        config.pluginmanager.register(ProgressLine(config), _PLUGIN)


def say(config: pytest.Config, text: str) -> None:
    """Show *text* on the terminal of this process or of xdist's controller; write nothing into a log."""
    channel = getattr(config, "workerinput", {}).get(_INPUT)
    line: ProgressLine | None = config.pluginmanager.get_plugin(_PLUGIN)
    if channel is not None:
        with suppress(OSError):  # the controller has ended
            channel.send(text)
    elif line is not None:
        line.say(text)


def hear(node: Any) -> None:  # noqa: ANN401 - xdist has no types
    """Show the texts of the worker *node*, which is about to start."""
    line: ProgressLine | None = node.config.pluginmanager.get_plugin(_PLUGIN)
    if line is not None:
        channel = node.gateway.newchannel()
        channel.setcallback(line.say)
        node.workerinput[_INPUT] = channel


def _fitted(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - _TAIL - 3]}...{text[-_TAIL:]}"
