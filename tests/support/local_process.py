"""Processes of this machine behind the seam that shells in containers are talked to through."""

from __future__ import annotations

import os
import select
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_alpine.engine.killing import kill_by_shell
from pytest_alpine.engine.process import STDERR, STDOUT, Process, Processes, ProcessStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PIECE = 1 << 16


class LocalStream:
    """The pipes of a process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self._stdin = process.stdin
        self._open = {process.stdout.fileno(): STDOUT, process.stderr.fileno(): STDERR}

    def send(self, data: bytes, _deadline: float) -> None:
        self._stdin.write(data)
        self._stdin.flush()

    def end_input(self) -> None:
        self._stdin.close()

    def receive(self, deadline: float) -> Iterator[tuple[int, bytes]]:
        while self._open:
            ready = select.select(list(self._open), [], [], max(0.0, deadline - time.monotonic()))[0]
            if not ready:
                raise TimeoutError
            for descriptor in ready:
                data = os.read(descriptor, _PIECE)
                if not data:
                    del self._open[descriptor]
                else:
                    yield self._open[descriptor], data

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


class LocalProcess:
    """A process of this machine."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None) -> None:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, env=None if env is None else dict(env)
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

    def start(  # noqa: PLR0913 - what a process gets
        self,
        argv: Sequence[str],
        *,
        user: str | None = None,  # noqa: ARG002 - there is one
        workdir: str | None = None,  # noqa: ARG002
        env: Mapping[str, str] | None = None,
        stdin: bool = False,  # noqa: ARG002
        tty: bool = False,  # noqa: ARG002
    ) -> Process:
        self.started += 1
        return LocalProcess([*self.shell, *argv[1:]] if argv[0] == "/bin/sh" else argv, env)

    def kill(self, pid: int, *, itself: bool = False) -> None:
        kill_by_shell(self, pid, itself=itself)

    def why_stopped(self) -> str | None:
        return None


def _check(_: Processes) -> None:
    """Let the type checker see that this is one."""


_check(LocalProcesses())
