"""Processes on this machine that implement ``Processes``, in place of processes in a container."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

from pytest_alpine.engine.bubblewrap.pipes import PipeStream
from pytest_alpine.engine.docker.process import kill_by_shell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_alpine.engine.exec.command import Program
    from pytest_alpine.engine.exec.process import Process, Processes, ProcessStream


class LocalStream(PipeStream):
    """The pipes of a process; ``close`` also kills the process."""

    def __init__(self, process: LocalProcess, *pipes: int) -> None:
        self._process = process
        super().__init__(*pipes)

    def close(self) -> None:
        """Close the pipes, and kill the process."""
        self._process.kill()
        super().close()


class LocalProcess:
    """A process on this machine."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        (stdin, ours), (out, stdout), (err, stderr) = (os.pipe() for _ in range(3))
        # subprocess is not used: its processes would ignore the signals that this process ignores, as under nohup.
        self._pid = os.posix_spawnp(
            argv[0],
            list(argv),
            env or os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, pipe, number) for number, pipe in enumerate((stdin, stdout, stderr))],
            setsid=True,
            setsigdef=signal.valid_signals(),
        )
        for pipe in (stdin, stdout, stderr):
            os.close(pipe)
        self._status: int | None = None
        self._lock = threading.Lock()
        self.stream: ProcessStream = LocalStream(self, ours, out, err)

    def kill(self) -> None:
        with self._lock:
            if self._status is None:
                os.kill(self._pid, signal.SIGKILL)
        self.exit_code()

    def exit_code(self) -> int:
        with self._lock:
            if self._status is None:
                self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._status if self._status >= 0 else 128 - self._status


class LocalProcesses:
    """Starts processes on this machine, in place of a container."""

    def __init__(self, shell: Sequence[str] = ("/bin/sh",)) -> None:
        self.shell = shell
        self.started = 0

    def start(self, program: Program) -> Process:
        """Start *program* as the user of these tests, in this folder, without a terminal."""
        self.started += 1
        argv = program.argv
        return LocalProcess([*self.shell, *argv[1:]] if argv[0] == "/bin/sh" else argv, program.env)

    def kill(self, pid: int, *, itself: bool = False) -> None:
        kill_by_shell(self, pid, itself=itself)

    def why_stopped(self) -> str | None:
        return None


def _check(_: Processes) -> None:
    """Let the type checker prove that the class implements the protocol."""


_check(LocalProcesses())
