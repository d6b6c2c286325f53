"""A running container of an engine that speaks Docker's API."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.base import TIMEOUT, CommandResult, Container
from pytest_alpine.engine.commands import Commands
from pytest_alpine.engine.docker_archive import DockerArchive
from pytest_alpine.engine.docker_process import DockerProcesses
from pytest_alpine.engine.facts import LiveFacts
from pytest_alpine.engine.labels import KEPT, PREFIX
from pytest_alpine.engine.memory import READ_MEMORY, memory_in_stats, parse_memory
from pytest_alpine.engine.rootfs import LiveRootFS
from pytest_alpine.errors import EngineError, FileNotInImage
from pytest_alpine.image.docker_client import EngineRefusedError, docker_errors
from pytest_alpine.rootfs import Entry, absolute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from docker import DockerClient
    from testinfra.host import Host
    from typing_extensions import Self

    from pytest_alpine.image.image import Image
    from pytest_alpine.platforms import Platform
    from pytest_alpine.rootfs import RootFS

_GONE: Final = (404, 409)  # removed, or being removed
_ROOT: Final = "0"


class DockerContainer(LiveFacts):
    """A running container. A context manager that stops it; any number of threads may use it at once."""

    def __init__(  # noqa: PLR0913 - what the engine knows of it
        self,
        client: DockerClient,
        container_id: str,
        name: str,
        image: Image,
        *,
        emulated: bool,
        forget: Callable[[DockerContainer], None],
    ) -> None:
        self._client = client
        self._id = container_id
        self._name = name
        self._image = image
        self._emulated = emulated
        self._forget = forget
        self._kept = False
        self._archive = DockerArchive(client=client, container=container_id)
        self._processes = DockerProcesses(client=client, container=container_id)
        self._live = LiveRootFS(self._archive, self._run_as_root)
        self.commands = Commands(self._processes, f"container {name}")
        """What runs the commands."""

    @property
    def id(self) -> str:
        """The engine's ID: 64 hexadecimal digits."""
        return self._id

    @property
    def name(self) -> str:
        """Its name in the engine."""
        return self._name

    @property
    def image(self) -> Image:
        """What it runs."""
        return self._image

    @property
    def platform(self) -> Platform:
        """The platform of its image."""
        return self._image.platform

    @property
    def emulated(self) -> bool:
        """Whether an emulator runs its programs."""
        return self._emulated

    @property
    def enter_command(self) -> str:
        """The command that opens a shell in it, for people."""
        return f"docker exec -it {self._name} /bin/sh"

    def run(  # noqa: PLR0913 - the parts of a command
        self,
        command: str | Sequence[str],
        timeout: float = TIMEOUT,
        check: bool = False,
        *,
        user: str | None = None,
        workdir: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | str | None = None,
        tty: bool = False,
    ) -> CommandResult:
        """Run *command* and return what it did; see ``Container.run``."""
        data = stdin.encode("utf-8", "surrogateescape") if isinstance(stdin, str) else stdin
        result = self.commands.run(command, timeout, user=user, workdir=workdir, env=env, stdin=data, tty=tty)
        return result.check() if check else result

    @cached_property
    def host(self) -> Host:
        """The container for testinfra."""
        from pytest_alpine.engine.testinfra_backend import open_host

        return open_host(self)

    @property
    def rootfs(self) -> RootFS:
        """The root filesystem; every question is answered as it is at that moment."""
        return self._live

    def at_once(self) -> AbstractContextManager[RootFS]:
        """Open what is best asked many questions in a row; each of them costs an emulator ten times as much."""
        return self._live.snapshot() if self._emulated else nullcontext(self._live)

    def read(self, path: str) -> bytes:
        """Return the bytes of the file that *path* leads to."""
        return self.rootfs.read(path)

    def write(self, path: str, data: bytes | str) -> None:
        """Make *data* the content of the file that *path* leads to."""
        entry: Entry | None = None
        with suppress(FileNotInImage):
            entry = self.rootfs.stat(path)
        if entry is not None and not entry.is_file:
            raise EngineError(f"cannot write {path} in container {self._name}: it is a {entry.kind}")
        place = entry.path if entry is not None else absolute(path)
        content = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        owner = {} if entry is None else {"mode": entry.mode, "uid": entry.uid, "gid": entry.gid}
        self._archive.write(place, content, **owner)

    def logs(self) -> str:
        """Return what the container's first process, and whoever writes to its outputs, has written."""
        with docker_errors(f"cannot read the logs of container {self._name}"):
            text: bytes = self._client.api.logs(self._id)
        return text.decode("utf-8", "surrogateescape")

    def memory(self) -> int:
        """Return the memory in use now, in bytes: of all processes and tmpfs, without cache that can be dropped."""
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

    def keep(self) -> str:
        """Leave the container running for good, and return the command that opens a shell in it."""
        name = KEPT + self._name.removeprefix(f"{PREFIX}-")
        with docker_errors(f"cannot rename container {self._name}"):
            self._client.api.rename(self._id, name)
        self._name = name
        self._kept = True
        return self.enter_command

    def let_go(self) -> None:
        """Stop the container, unless it is to be kept; for the engine when it is closed."""
        if self._kept:
            self.commands.close()
        else:
            self.stop()

    def stop(self) -> None:
        """Kill the container and remove it with its volumes; stopping again does nothing."""
        self._forget(self)
        self.commands.close()
        try:
            with docker_errors(f"cannot remove container {self._name}"):
                self._client.api.remove_container(self._id, force=True, v=True)
        except EngineRefusedError as error:
            if error.status not in _GONE:
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __str__(self) -> str:
        return f"container {self._name} of {self._image}"

    def __repr__(self) -> str:
        return f"<{self}>"

    def _run_as_root(self, line: str) -> CommandResult | None:
        if not self.commands.has_shell:
            return None
        is_root = self._image.config.user in {"", "root", _ROOT}
        return self.commands.run(line, user=None if is_root else _ROOT)


if TYPE_CHECKING:
    _: type[Container] = DockerContainer
