"""A running container of an engine with Docker's API."""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pytest_alpine.dockerapi.client import docker_errors
from pytest_alpine.engine.container import Container
from pytest_alpine.engine.docker.archive import DockerArchive
from pytest_alpine.engine.docker.live_rootfs import LiveRootFS
from pytest_alpine.engine.docker.memory import READ_MEMORY, memory_in_stats, parse_memory
from pytest_alpine.engine.docker.process import DockerProcesses
from pytest_alpine.engine.etc_hosts import HOSTS_FILE, hosts_file
from pytest_alpine.engine.exec.command import Command
from pytest_alpine.engine.labels import KEPT, PREFIX
from pytest_alpine.errors import EngineError, EngineRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker import DockerClient

    from pytest_alpine.dockerapi.variants import Api
    from pytest_alpine.engine.exec.result import CommandResult
    from pytest_alpine.image.image import Image
    from pytest_alpine.rootfs.base import RootFS

_GONE: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)  # removed, or being removed
_ROOT: Final = "0"
_HOSTNAME: Final = 12  # digits of its ID


class DockerContainer(Container):
    """A running container, as a context manager that stops it. Several threads may use it at the same time."""

    def __init__(  # noqa: PLR0913 - the facts that the engine knows
        self,
        client: DockerClient,
        container_id: str,
        name: str,
        image: Image,
        *,
        emulated: bool,
        api: Api,
        forget: Callable[[], None],
    ) -> None:
        processes = DockerProcesses(client=client, container=container_id)
        super().__init__(name, image, processes, emulated=emulated, forget=forget)
        self._client = client
        self._id = container_id
        self._api = api
        self.archive = DockerArchive(client=client, container=container_id, literal_paths=api.literal_paths)
        """Its files, which the engine can read even if the container does not run."""
        self._live = LiveRootFS(self.archive, self._run_as_root)

    @property
    def id(self) -> str:
        """The engine's ID: 64 hexadecimal digits."""
        return self._id

    @property
    def enter_command(self) -> str:
        """The command by which people open a shell in the container."""
        return f"{self._api.command} exec -it {self._name} /bin/sh"

    @property
    def remove_command(self) -> str:
        """The command by which people remove the container."""
        return f"{self._api.command} rm -fv {self._name}"

    @property
    def rootfs(self) -> RootFS:
        """The root filesystem; every call reads its present state."""
        return self._live

    def at_once(self) -> AbstractContextManager[RootFS]:
        """Open the root filesystem for many reads: a snapshot if each command is slow, in an emulator."""
        return self.snapshot() if self._emulated else nullcontext(self._live)

    def snapshot(self) -> AbstractContextManager[RootFS]:
        """Open a copy of all files, because every read of the live files takes a command."""
        return self._live.snapshot()

    def _put(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        self.archive.write(path, data, mode=mode, uid=uid, gid=gid)

    def logs(self) -> str:
        """Return the output of the container's first process, and of others that write to the same outputs."""
        with docker_errors(f"cannot read the logs of container {self._name}"):
            text: bytes = self._client.api.logs(self._id)
        return text.decode("utf-8", "surrogateescape")

    def memory(self) -> int:
        """Return the memory in use now, in bytes: of all processes and tmpfs, without droppable cache."""
        if not self._api.measures_memory:
            raise EngineError(
                f"the engine does not measure the memory of container {self._name}: it runs without root, and its "
                "machine has control groups of version 1; boot it with systemd.unified_cgroup_hierarchy=1"
            )
        told = self._run_as_root(READ_MEMORY)
        found = parse_memory(told.stdout) if told is not None and told.exit_code == 0 else None
        if found is None:
            with docker_errors(f"cannot measure container {self._name}"):
                found = memory_in_stats(self._client.api.stats(self._id, stream=False).get("memory_stats") or {})
        if found is None:
            raise EngineError(
                f"the engine does not measure the memory of container {self._name}; its machine's kernel has to: "
                "boot it with cgroup_enable=memory"
            )
        return found

    def write_hosts(self) -> None:
        """Write ``/etc/hosts``, which the engine writes only if the container has a network."""
        names = hosts_file(self._id[:_HOSTNAME])
        told = self._run_as_root(f"[ -s {HOSTS_FILE} ] || echo {shlex.quote(names.rstrip())} >{HOSTS_FILE}")
        if told is None or told.exit_code:
            self._put(HOSTS_FILE, names.encode())

    def _remove(self) -> None:
        remove_container(self._client, self._id, self._name)

    def _leave_running(self) -> None:
        name = KEPT + self._name.removeprefix(f"{PREFIX}-")
        with docker_errors(f"cannot rename container {self._name}"):
            self._client.api.rename(self._id, name)
        self._name = name

    def _run_as_root(self, line: str) -> CommandResult | None:
        if not self.commands.has_shell:
            return None
        is_root = self._image.config.user in {"", "root", _ROOT}
        return self.commands.run(Command(words=line, user=None if is_root else _ROOT))


def remove_container(client: DockerClient, container_id: str, name: str) -> bool:
    """Kill a container and remove it with its volumes; return whether it existed.

    Args:
        client: the connection to its engine.
        container_id: its ID or its name.
        name: how messages call it.

    Raises:
        EngineError: the engine refused.
    """
    try:
        with docker_errors(f"cannot remove container {name}"):
            client.api.remove_container(container_id, force=True, v=True)
    except EngineRefusedError as error:
        if error.status not in _GONE:
            raise
        return False
    return True
