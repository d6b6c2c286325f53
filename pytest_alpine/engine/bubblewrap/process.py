"""Processes in a sandbox on this machine."""

from __future__ import annotations

import os
import select
import signal
import struct
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fcntl import ioctl
from platform import machine
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.bubblewrap.pipes import PipeStream
from pytest_alpine.engine.exec.process import STDERR, Process, Processes, ProcessStream
from pytest_alpine.errors import EngineError, FileNotInImage
from pytest_alpine.facts.users import Identity, UnknownUserError, find_identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_alpine.engine.bubblewrap.folder_rootfs import FolderRootFS
    from pytest_alpine.engine.bubblewrap.link import SpawnerLink
    from pytest_alpine.engine.bubblewrap.procfs import ProcFS
    from pytest_alpine.engine.exec.command import Program

_SETTLING: Final = 5.0
_DYING: Final = 10.0
_KILLED: Final = 128 + signal.SIGKILL
_CANNOT_START: Final = 126

# ioctl_tty(2): to unlock a new terminal, and to open its other side whatever its name is. POWER numbers them otherwise.
_ON_POWER: Final = machine().startswith("ppc")
_TIOCSPTLCK: Final = 0x80045431 if _ON_POWER else 0x40045431
_TIOCGPTPEER: Final = 0x20005441 if _ON_POWER else 0x5441


class Exit:
    """The exit code of a process, which the process that waits for it sends."""

    def __init__(self) -> None:
        self.descriptor, self.told = os.pipe()
        """The reading and the writing end of a pipe; the caller closes the writing end after it was passed on."""
        self._code: int | None = None

    def code(self, timeout: float = 0.0) -> int | None:
        """Return the exit code; None if there is none within *timeout* seconds."""
        if self._code is None and self.descriptor >= 0:
            poll = select.poll()
            poll.register(self.descriptor, select.POLLIN)
            if poll.poll(timeout * 1000):
                # There is no exit code if the waiting process was killed too.
                self._code = int(os.read(self.descriptor, 16) or _KILLED)
        return self._code

    def close(self) -> None:
        """Close the pipe; a second call does nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxView:
    """Open descriptors of a sandbox."""

    descriptor: int
    """A pidfd of its first process."""
    files: FolderRootFS
    proc: ProcFS

    def close(self) -> None:
        """Close the descriptors."""
        self.files.close()
        self.proc.close()
        os.close(self.descriptor)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """A running sandbox, as seen from this machine."""

    link: SpawnerLink
    monitor: int
    """The number of bubblewrap's own process."""
    pid: int
    """The number of its first process on this machine."""
    view: SandboxView
    end: Exit
    """Of bubblewrap."""
    user: str
    """The default identity of processes."""
    workdir: str
    env: Mapping[str, str]

    def identity(self, user: str) -> Identity:
        """Return the present identity of *user*.

        Raises:
            UnknownUserError: there is none.
        """
        return find_identity(user, self._text("/etc/passwd"), self._text("/etc/group"))

    def kill(self) -> None:
        """Kill all processes in the sandbox, and return when they have ended.

        Raises:
            EngineError: they do not go.
        """
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.view.descriptor, signal.SIGKILL)
        poll = select.poll()
        poll.register(self.view.descriptor, select.POLLIN)
        if not poll.poll(_DYING * 1000):
            raise EngineError(
                f"the processes of a sandbox (process {self.pid}) were killed, and are there after {_DYING:g} s"
            )

    def close(self) -> None:
        """Close the descriptors."""
        self.view.close()
        self.end.close()

    def _text(self, path: str) -> str:
        with suppress(FileNotInImage):
            return self.view.files.read(path).decode("utf-8", "surrogateescape")
        return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxedProcess:
    """A process in a sandbox."""

    stream: ProcessStream
    end: Exit

    def exit_code(self) -> int:
        """Return the exit code; to be called after the end of its stream."""
        code = self.end.code(_SETTLING)
        if code is None:
            raise EngineError("a command closed its outputs and still runs")
        return code


class RefusedProcess:
    """A process that could not be started; its standard error contains the reason."""

    def __init__(self, why: str) -> None:
        self.stream: ProcessStream = _Refusal(why)
        """The streams with the reason."""

    def exit_code(self) -> int:
        """Return the exit code by which shells report that a program cannot be started."""
        return _CANNOT_START


class _Refusal:
    def __init__(self, why: str) -> None:
        self._why = why

    def send(self, data: bytes, deadline: float) -> None:
        pass

    def end_input(self) -> None:
        pass

    def receive(self, deadline: float) -> Iterator[tuple[int, bytes]]:  # noqa: ARG002 - it is there
        yield STDERR, self._why.encode()

    def close(self) -> None:
        pass


class SandboxProcesses:
    """Starts processes in one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def start(self, program: Program) -> Process:
        """Start *program*."""
        box = self._sandbox
        try:
            who = box.identity(box.user if program.user is None else program.user)
        except UnknownUserError as error:
            return RefusedProcess(str(error))
        request = {
            "do": "run",
            "argv": program.argv,
            "env": {**({"TERM": "xterm"} if program.tty else {}), "HOME": who.home, **box.env, **program.env},
            "workdir": program.workdir or box.workdir,
            "uid": who.uid,
            "gid": who.gid,
            "groups": who.groups,
            "tty": program.tty,
        }
        end = Exit()
        with ExitStack() as stack:
            stack.callback(os.close, end.told)
            inside, outside = _terminal(box.view.files) if program.tty else _pipes()
            for descriptor in set(inside):
                stack.callback(os.close, descriptor)
            try:
                box.link.ask(request, [box.view.descriptor, end.told, *inside])
            except BaseException as error:
                end.close()
                for descriptor in set(outside):
                    os.close(descriptor)
                if isinstance(error, OSError):
                    why = (error.strerror or str(error)).lower()
                    raise EngineError(f"cannot run {program.argv[0]!r}: {why}") from error
                raise
        stream = PipeStream(*outside, end.descriptor)
        if not program.stdin and not program.tty:
            stream.end_input()
        return SandboxedProcess(stream=stream, end=end)

    def kill(self, pid: int, *, itself: bool = False) -> None:
        """Kill the processes that *pid* started, and with *itself* also *pid*."""
        self._sandbox.view.proc.kill(pid, itself=itself)

    def why_stopped(self) -> str | None:
        """Return why the container stopped; None while it runs."""
        code = self._sandbox.end.code()
        return None if code is None else f"exit code {code}"


def _pipes() -> tuple[list[int], list[int]]:
    """Return the descriptors of a process's input and outputs, and those of their other ends."""
    pairs = [os.pipe()[::-1], os.pipe(), os.pipe()]  # for outputs, the reading end is last
    return [pair[1] for pair in pairs], [pair[0] for pair in pairs]


def _terminal(files: FolderRootFS) -> tuple[list[int], list[int]]:
    """Return both sides of a new terminal of the container, like ``_pipes``."""
    outside = files.descriptor("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY)
    ioctl(outside, _TIOCSPTLCK, struct.pack("i", 0))
    inside = ioctl(outside, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    return [inside] * 3, [outside] * 3


if TYPE_CHECKING:
    _: type[Processes] = SandboxProcesses
    __: type[Process] = SandboxedProcess
    ___: type[Process] = RefusedProcess
