"""A persistent shell in a container, which runs one command after the other.

To start a process in a container takes an engine about 50 ms; to send a command to a shell takes less than 1 ms.
Each command has a subshell of its own, so that its changes do not affect the next one. After each command the shell
prints a random mark to both outputs, with the exit code.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.exec.process import STDERR
from pytest_alpine.engine.exec.scripts import HOLDERS, START
from pytest_alpine.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_alpine.engine.exec.process import ProcessStream

# Seconds. A killed process ends at once, but an engine under load reports it later.
_GRACE: Final = 10.0

# Seconds of a year: longer than any container lives, and not too long for a socket.
_FOR_EVER: Final = 31_536_000.0

# Seconds by which the kernel may wake a waiting thread early.
_INEXACT: Final = 0.1

OUTPUT_LIMIT: Final = 256 << 20
"""The largest output of a command, in bytes. More would fill the memory of the machine."""


class SessionEndedError(EngineError):
    """The shell has ended."""

    def __init__(self, stdout: bytes, stderr: bytes) -> None:
        super().__init__("the shell in the container ended")
        self.stdout = stdout
        self.stderr = stderr


class TooLongError(EngineError):
    """A command was killed because it ran too long, or wrote too much."""

    def __init__(self, stdout: bytes, stderr: bytes, *, wrote_too_much: bool) -> None:
        super().__init__("the command was killed")
        self.stdout = stdout
        self.stderr = stderr
        self.wrote_too_much = wrote_too_much


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """The result of a command."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class ShellSession:
    """One shell. Only one thread may use it at a time."""

    def __init__(self, stream: ProcessStream, kill: Callable[..., None]) -> None:
        """Talk to a shell.

        Args:
            stream: of a shell that reads its standard input and is not interactive.
            kill: kills what a process in the container started; see ``Processes.kill``.
        """
        self._stream = stream
        self._kill = kill
        self._processes = 0
        self.pid = 0
        """The shell's number in the container, known after the handshake."""
        self.usable = True
        """Whether it accepts another command."""
        self.closed = False
        """Whether its connection is closed."""
        self.line = 1
        """The line of its input on which the next script begins."""

    def handshake(self, timeout: float) -> None:
        """Wait until the shell answers.

        Args:
            timeout: seconds.

        Raises:
            SessionEndedError: there is none; its outputs tell why.
            TooLongError: the shell does not answer.
        """
        marks = _Marks()
        self._exchange(f"{START}; set -- $$ /proc/[0-9]*; {marks.script}".encode(), marks, timeout)
        self.pid, self._processes = marks.numbers()

    def run(self, script: bytes, timeout: float) -> Finished:
        """Run *script*, which leaves an exit code in ``$?`` and changes nothing of the shell itself.

        Args:
            script: complete lines of shell.
            timeout: seconds.

        Raises:
            SessionEndedError: the shell ended meanwhile.
            TooLongError: the time is over; all processes of the script are killed.
        """
        marks = _Marks()
        self._exchange(script + f"\nset -- $? /proc/[0-9]*; {marks.script}".encode(), marks, timeout)
        exit_code, processes = marks.numbers()
        if processes > self._processes and self._is_shared():
            # The command left processes behind. They may live, as behind any shell; but they hold this shell's
            # outputs, and must not write into those of the next command.
            self.retire()
        self._processes = processes
        stdout, stderr = marks.outputs()
        return Finished(exit_code=exit_code, stdout=stdout, stderr=stderr)

    def retire(self) -> None:
        """Accept no more commands, but read on what leftover processes write, so that none of them blocks."""
        if self.usable:
            self.usable = False
            threading.Thread(target=self._drain, name="pytest-alpine-drain", daemon=True).start()

    def close(self) -> None:
        """End the shell."""
        self.usable = False
        self.closed = True
        self._stream.close()

    def _is_shared(self) -> bool:
        """Whether another process has the shell's outputs open."""
        marks = _Marks()
        self._exchange(f"{HOLDERS}; {marks.script}".encode(), marks, _GRACE)
        return marks.numbers()[0] > 1

    def _exchange(self, script: bytes, marks: _Marks, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        self.line += script.count(b"\n") + 1
        try:
            with suppress(BrokenPipeError):  # it has ended, and its outputs tell why
                self._stream.send(script + b"\n", deadline)
            self._collect(marks, deadline)
        except BaseException as error:
            if isinstance(error, _TooMuchError) or is_own_timeout(error, deadline):
                written = marks.outputs()
                marks.forget()
                self._end_command(marks)
                raise TooLongError(*written, wrote_too_much=isinstance(error, _TooMuchError)) from error
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                self.close()
                raise SessionEndedError(*marks.outputs()) from error
            self._abandon()
            raise

    def _collect(self, marks: _Marks, deadline: float) -> None:
        for stream, data in self._stream.receive(deadline):
            if marks.take(stream, data):
                return
        raise ConnectionResetError

    def _end_command(self, marks: _Marks) -> None:
        """Kill the processes of the current command, and read up to its end; if that fails, abandon the shell."""
        try:
            if self.pid:
                self._kill(self.pid)
                self._collect(marks, time.monotonic() + _GRACE)
            else:
                self.close()
        except (OSError, EngineError, _TooMuchError):
            self.close()
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """Kill the shell and all that it started, after the waiting test was interrupted."""
        self.usable = False
        try:
            if self.pid:
                with suppress(OSError, EngineError):  # the container may have stopped
                    self._kill(self.pid, itself=True)
        finally:
            self.close()

    def _drain(self) -> None:
        with suppress(OSError, ValueError):
            for _ in self._stream.receive(time.monotonic() + _FOR_EVER):
                pass


def is_own_timeout(error: BaseException, deadline: float) -> bool:
    """Whether *error* says that *deadline* has passed; the handler of a signal may raise the same class earlier."""
    return isinstance(error, TimeoutError) and time.monotonic() > deadline - _INEXACT


class _TooMuchError(Exception):
    """A command writes more than anybody wants to see."""


class _Output:
    """One output of a command, up to its mark."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._data = bytearray()
        self._found = -1

    def add(self, data: bytes) -> None:
        start = max(0, len(self._data) - len(self._mark))
        self._data += data
        if self._found < 0:
            self._found = self._data.find(self._mark, start)
        if len(self._data) > OUTPUT_LIMIT:
            raise _TooMuchError

    def complete(self) -> bool:
        return self._found >= 0 and self._data.find(b"\n", self._found) >= 0

    def before(self) -> bytes:
        end = len(self._data) if self._found < 0 else self._found
        return bytes(memoryview(self._data)[:end])

    def behind(self) -> bytes:
        return bytes(self._data[self._found + len(self._mark) :]) if self._found >= 0 else b""

    def forget(self) -> None:
        if self._found < 0:
            del self._data[: -len(self._mark)]


class _Marks:
    """Both outputs of one command, and the marks that end them."""

    def __init__(self) -> None:
        mark = secrets.token_hex(16)
        # $1 is the exit code; $# counts it and the directories of all processes.
        self.script = f"echo {mark} $1 $#; set --; echo {mark} >&4"
        self._stdout, self._stderr = (_Output(mark.encode()) for _ in range(2))

    def take(self, stream: int, data: bytes) -> bool:
        """Add output; return whether both marks have arrived."""
        (self._stderr if stream == STDERR else self._stdout).add(data)
        return self._stdout.complete() and self._stderr.complete()

    def outputs(self) -> tuple[bytes, bytes]:
        """Return the outputs before the marks."""
        return self._stdout.before(), self._stderr.before()

    def forget(self) -> None:
        """Drop the outputs; only the marks are needed now."""
        self._stdout.forget()
        self._stderr.forget()

    def numbers(self) -> tuple[int, int]:
        """Return the two numbers after the mark: $1, and the number of processes."""
        first, count = self._stdout.behind().split()[:2]
        return int(first), int(count)
