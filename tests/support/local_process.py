"""Processes of this machine behind the seam that shells in containers are talked to through."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from pytest_alpine.engine.bubblewrap.pipes import PipeStream
from pytest_alpine.engine.docker.process import kill_by_shell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_alpine.engine.exec.command import Program
    from pytest_alpine.engine.exec.process import Process, Processes, ProcessStream


class LocalStream(PipeStream):
    """The pipes of a process, which dies with them."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        pipes = (process.stdin, process.stdout, process.stderr)
        # Python's own file objects would close theirs, too.
        super().__init__(*(os.dup(pipe.fileno()) for pipe in pipes if pipe is not None))
        for pipe in pipes:
            if pipe is not None:
                pipe.close()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        super().close()


class LocalProcess:
    """A process of this machine."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, env=dict(env) or None
        )
        self.stream: ProcessStream = LocalStream(process)
        self._process = process

    def exit_code(self) -> int:
        code = self._process.wait()
        return code if code >= 0 else 128 - code


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
    """Let the type checker see that this is one."""


_check(LocalProcesses())
