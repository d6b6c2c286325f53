"""A command in a process of its own: for what a persistent shell cannot run, and for images without a shell."""

from __future__ import annotations

import io
import re
import secrets
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.exec.command import SHELL, Command, Program
from pytest_alpine.engine.exec.process import STDERR
from pytest_alpine.engine.exec.scripts import PRINT_PID
from pytest_alpine.engine.exec.shell_session import OUTPUT_LIMIT, Finished, TooLongError, is_own_timeout
from pytest_alpine.errors import EngineError, EngineRefusedError

if TYPE_CHECKING:
    from pytest_alpine.engine.exec.process import Process, Processes, ProcessStream

_END_OF_FILE: Final = b"\x04"  # what a terminal takes for one

# runc prints this to standard output if it cannot start the program.
_REFUSAL: Final = re.compile(rb"\AOCI runtime exec failed: .*\s*\Z", re.DOTALL)
_NOT_FOUND: Final = re.compile(rb"no such file or directory|executable file not found")
_REFUSED: Final = (126, 127)
# Seconds in which a process prints its number, emulated and on a busy machine.
_STARTING: Final = 10.0


def run_in_own_process(command: Command, processes: Processes, *, has_shell: bool) -> Finished:
    """Start the program of *command*, and return its result.

    Args:
        command: what runs.
        processes: starts it.
        has_shell: whether there is a shell, without which nothing can be killed.

    Raises:
        TooLongError: it took too long, or wrote too much.
        EngineError: the engine failed.
    """
    token = secrets.token_hex(16)
    try:
        process = processes.start(_program(command, token if has_shell else None))
    except EngineRefusedError as error:
        if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        # Podman answers with a server error if there is no such program or user.
        said = error.explanation.encode("utf-8", "surrogateescape")
        return Finished(exit_code=127 if _NOT_FOUND.search(said) else 126, stdout=b"", stderr=said)
    outputs = _Outputs(re.compile(rb"\A%s (\d+)\r?\n" % token.encode()))
    deadline = time.monotonic() + command.timeout
    try:
        _talk(command, process, outputs, deadline)
        return _finished(command, process.exit_code(), *outputs.written())
    except BaseException as error:
        if has_shell:
            _kill(process, outputs, processes)
        if isinstance(error, _TooMuchError) or is_own_timeout(error, deadline):
            raise TooLongError(*outputs.written(), wrote_too_much=isinstance(error, _TooMuchError)) from error
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            raise EngineError(f"the connection to the command broke: {error}") from error
        raise
    finally:
        process.stream.close()


def _program(command: Command, token: str | None) -> Program:
    """Return the program of *command*; with a *token*, it first prints the token and its process number."""
    return Program(
        argv=command.argv if token is None else (SHELL, "-c", PRINT_PID, SHELL, token, *command.argv),
        user=command.user,
        workdir=command.workdir,
        env=command.env,
        stdin=command.stdin is not None,
        tty=command.tty,
    )


def _talk(command: Command, process: Process, outputs: _Outputs, deadline: float) -> None:
    feeding = _Feeding(process.stream, command.stdin, deadline, tty=command.tty)
    for stream, data in process.stream.receive(deadline):
        outputs.add(stream, data)
    feeding.check()


def _kill(process: Process, outputs: _Outputs, processes: Processes) -> None:
    """Kill the process and all that it started, as soon as its number is known, which takes longer if emulated."""
    with suppress(OSError, EngineError, _TooMuchError):  # the container may have stopped
        if outputs.pid() is None:
            for stream, data in process.stream.receive(time.monotonic() + _STARTING):
                outputs.add(stream, data)
                if outputs.pid() is not None:
                    break
        pid = outputs.pid()
        if pid is not None:
            processes.kill(pid, itself=True)


def _finished(command: Command, exit_code: int, stdout: bytes, stderr: bytes) -> Finished:
    if exit_code in _REFUSED and not stderr:
        refusal = _REFUSAL.search(stdout)
        if refusal is not None:
            return Finished(exit_code=127 if _NOT_FOUND.search(stdout) else 126, stdout=b"", stderr=refusal[0])
        if not stdout and command.user is not None:
            # Some engines give no reason.
            why = f"cannot be started as user {command.user!r}: is there one in the container?"
            return Finished(exit_code=exit_code, stdout=b"", stderr=why.encode())
    return Finished(exit_code=exit_code, stdout=stdout, stderr=stderr)


class _Feeding:
    """Writes to a program's standard input in a thread, because the program may write before it has read everything."""

    def __init__(self, stream: ProcessStream, data: bytes | None, deadline: float, *, tty: bool) -> None:
        self._problem: io.UnsupportedOperation | None = None
        self._tty = tty
        if data is not None:
            threading.Thread(target=self._feed, args=(stream, data, deadline), daemon=True).start()

    def check(self) -> None:
        """Raise an error of the thread; ignores that the program did not read all input."""
        if self._problem is not None:
            what = f"cannot give a command its input: {self._problem}; let it read a file"
            raise EngineError(what) from self._problem

    def _feed(self, stream: ProcessStream, data: bytes, deadline: float) -> None:
        try:
            if self._tty:
                stream.send(data + _END_OF_FILE, deadline)
            else:
                stream.send(data, deadline)
                stream.end_input()
        except io.UnsupportedOperation as error:
            self._problem = error
            stream.close()
        except OSError:  # the program did not wait for all of it
            pass


class _TooMuchError(Exception):
    """A command writes more than ``OUTPUT_LIMIT``."""


class _Outputs:
    """Both outputs of a program. The first line may contain the number of its process."""

    def __init__(self, first_line: re.Pattern[bytes]) -> None:
        self._first_line = first_line
        self._stdout, self._stderr = bytearray(), bytearray()

    def add(self, stream: int, data: bytes) -> None:
        output = self._stderr if stream == STDERR else self._stdout
        output += data
        if len(output) > OUTPUT_LIMIT:
            raise _TooMuchError

    def pid(self) -> int | None:
        """Return the number of the process in the container, or None if it is not known yet."""
        found = self._first_line.match(self._stderr) or self._first_line.match(self._stdout)
        return int(found[1]) if found is not None else None

    def written(self) -> tuple[bytes, bytes]:
        """Return the outputs of the program itself."""
        return self._first_line.sub(b"", self._stdout), self._first_line.sub(b"", self._stderr)
