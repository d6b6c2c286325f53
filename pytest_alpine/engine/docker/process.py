"""Processes in a container of an engine with Docker's API.

Spec: the Engine API, "Exec"
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pytest_alpine.dockerapi.client import docker_errors
from pytest_alpine.engine.docker.stream import EngineStream
from pytest_alpine.engine.exec.command import SHELL, Program
from pytest_alpine.engine.exec.scripts import KILL
from pytest_alpine.errors import EngineError, EngineRefusedError

if TYPE_CHECKING:
    from docker import DockerClient

    from pytest_alpine.engine.exec.process import Process, Processes

_SETTLING: Final = 5.0
_KILLING: Final = 30.0
_ROOT: Final = "0"


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerProcess:
    """One exec."""

    client: DockerClient
    id: str
    stream: EngineStream

    def exit_code(self) -> int:
        """Return the exit code; to be called after the end of its stream."""
        deadline = time.monotonic() + _SETTLING
        while True:
            with docker_errors("cannot tell how a command ended"):
                state = self.client.api.exec_inspect(self.id)
            if state["ExitCode"] is not None:
                return int(state["ExitCode"])
            if time.monotonic() > deadline:
                raise EngineError("the engine closed a command's outputs and says that it still runs")
            time.sleep(0.02)


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerProcesses:
    """Starts processes in one container."""

    client: DockerClient
    container: str

    def start(self, program: Program) -> Process:
        """Start *program*."""
        api = self.client.api
        with docker_errors(f"cannot run {program.argv[0]!r} in {self.container}"):
            made = api.exec_create(
                self.container,
                list(program.argv),
                stdin=program.stdin,
                tty=program.tty,
                user=program.user or "",
                workdir=program.workdir,
                environment=dict(program.env) or None,
            )
            connection = api.exec_start(made["Id"], tty=program.tty, socket=True)
        return DockerProcess(client=self.client, id=made["Id"], stream=EngineStream(connection, tty=program.tty))

    def kill(self, pid: int, *, itself: bool = False) -> None:
        """Kill the processes that *pid* started, and with *itself* also *pid*."""
        kill_by_shell(self, pid, itself=itself)

    def why_stopped(self) -> str | None:
        """Return why the container stopped; None while it runs."""
        try:
            with docker_errors("cannot look at the container"):
                state = self.client.api.inspect_container(self.container)["State"]
        except EngineRefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return "it was removed"
            raise
        if state["Running"]:
            return None
        reason = "killed as it was out of memory" if state.get("OOMKilled") else state.get("Error")
        return f"exit code {state['ExitCode']}{f', {reason}' if reason else ''}"


def kill_by_shell(processes: Processes, pid: int, *, itself: bool) -> None:
    """Kill the processes that *pid* started. Uses a shell in the container: its processes are out of reach here.

    See ``Processes.kill``.
    """
    argv = (SHELL, "-c", KILL, SHELL, str(pid), *(("itself",) if itself else ()))
    stream = processes.start(Program(argv=argv, user=_ROOT)).stream
    try:
        for _ in stream.receive(time.monotonic() + _KILLING):
            pass
    finally:
        stream.close()


if TYPE_CHECKING:
    _: type[Processes] = DockerProcesses
