"""Processes in a container of an engine that speaks Docker's API.

Spec: the Engine API, "Exec"
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_alpine.dockerapi.client import docker_errors
from pytest_alpine.engine.docker.killing import kill_by_shell
from pytest_alpine.engine.exec.process import EngineStream, Process, Processes
from pytest_alpine.errors import EngineError, EngineRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker import DockerClient

_GONE: Final = 404
_SETTLING: Final = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerProcess:
    """One exec."""

    client: DockerClient
    id: str
    stream: EngineStream

    def exit_code(self) -> int:
        """Return how the process ended, after its stream has."""
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

    def start(  # noqa: PLR0913 - what a process gets
        self,
        argv: Sequence[str],
        *,
        user: str | None = None,
        workdir: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bool = False,
        tty: bool = False,
    ) -> Process:
        """Start the program *argv*."""
        api = self.client.api
        with docker_errors(f"cannot run {argv[0]!r} in {self.container}"):
            made = api.exec_create(
                self.container,
                list(argv),
                stdin=stdin,
                tty=tty,
                user=user or "",
                workdir=workdir,
                environment=dict(env) if env else None,
            )
            connection = api.exec_start(made["Id"], tty=tty, socket=True)
        return DockerProcess(client=self.client, id=made["Id"], stream=EngineStream(connection, tty=tty))

    def kill(self, pid: int, *, itself: bool = False) -> None:
        """Kill what the process *pid* started."""
        kill_by_shell(self, pid, itself=itself)

    def why_stopped(self) -> str | None:
        """Return why the container stopped; None while it runs."""
        try:
            with docker_errors("cannot look at the container"):
                state = self.client.api.inspect_container(self.container)["State"]
        except EngineRefusedError as error:
            if error.status == _GONE:
                return "it was removed"
            raise
        if state["Running"]:
            return None
        reason = "killed as it was out of memory" if state.get("OOMKilled") else state.get("Error")
        return f"exit code {state['ExitCode']}{f', {reason}' if reason else ''}"


if TYPE_CHECKING:
    _: type[Processes] = DockerProcesses
