"""What running containers of all engines have in common: commands, facts, and what they are called."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_alpine.engine.exec.commands import Commands
from pytest_alpine.engine.exec.history import CommandHistory
from pytest_alpine.engine.exec.result import TIMEOUT
from pytest_alpine.errors import EngineError, FileNotInImage
from pytest_alpine.facts.live import LiveFacts
from pytest_alpine.rootfs.base import Entry, absolute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Self

    from testinfra.host import Host

    from pytest_alpine.engine.exec.history import PastCommand
    from pytest_alpine.engine.exec.process import Processes
    from pytest_alpine.engine.exec.result import CommandResult
    from pytest_alpine.image.image import Image
    from pytest_alpine.platforms import Platform
    from pytest_alpine.rootfs.base import RootFS


class RunningContainer(LiveFacts, ABC):
    """A running container. A context manager that stops it; any number of threads may use it at once."""

    def __init__(self, name: str, image: Image, processes: Processes, *, emulated: bool) -> None:
        self._name = name
        self._image = image
        self._emulated = emulated
        self.commands = Commands(processes, f"container {name}")
        """What runs the commands."""
        self._history = CommandHistory()

    @property
    @abstractmethod
    def id(self) -> str:
        """How the engine calls it."""

    @property
    def name(self) -> str:
        """How people call it."""
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
        begun = time.monotonic()
        try:
            result = self.commands.run(command, timeout, user=user, workdir=workdir, env=env, stdin=data, tty=tty)
        except EngineError as error:
            self._history.add(command, begun, error)
            raise
        self._history.add(command, begun, result)
        return result.check() if check else result

    @property
    def last_commands(self) -> Iterable[PastCommand]:
        """The last commands that ``run`` and ``host`` ran in it, oldest first."""
        return self._history

    @cached_property
    def host(self) -> Host:
        """The container for testinfra."""
        from pytest_alpine.engine.testinfra import open_host

        return open_host(self)

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[RootFS]:
        """Open the root filesystem for thousands of questions: a copy of it, or itself where one costs nothing."""

    def read(self, path: str) -> bytes:
        """Return the bytes of the file that *path* leads to."""
        return self.rootfs.read(path)

    @property
    @abstractmethod
    def enter_command(self) -> str:
        """The command that opens a shell in it, for people."""

    @property
    @abstractmethod
    def remove_command(self) -> str:
        """The command that removes it, for people."""

    def write(self, path: str, data: bytes | str) -> None:
        """Make *data* the content of the file that *path* leads to; see ``Container.write``."""
        entry: Entry | None = None
        with suppress(FileNotInImage):
            entry = self.rootfs.stat(path)
        if entry is not None and not entry.is_file:
            raise EngineError(f"cannot write {path} in container {self._name}: it is a {entry.kind}")
        place = entry.path if entry is not None else absolute(path)
        content = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        owner = {} if entry is None else {"mode": entry.mode, "uid": entry.uid, "gid": entry.gid}
        self._put(place, content, **owner)

    @abstractmethod
    def _put(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        """Put a file with the content *data* at *path*, which is no link, and make the directories it stands in."""

    @abstractmethod
    def logs(self) -> str:
        """Return what the container's first process, and whoever writes to its outputs, has written."""

    @abstractmethod
    def memory(self) -> int:
        """Return the memory in use now, in bytes: of all processes and tmpfs, without cache that can be dropped."""

    @abstractmethod
    def keep(self) -> str:
        """Leave the container running for good, and return the command that opens a shell in it."""

    @abstractmethod
    def stop(self) -> None:
        """Kill the container and remove it; stopping again does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __str__(self) -> str:
        return f"container {self._name} of {self._image}"

    def __repr__(self) -> str:
        return f"<{self}>"
