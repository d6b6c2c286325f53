"""A running container of any engine: commands, files, facts, logs, memory, and how it is stopped."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_alpine.engine.exec.command import TIMEOUT, Command
from pytest_alpine.engine.exec.commands import Commands
from pytest_alpine.engine.exec.history import CommandHistory
from pytest_alpine.errors import EngineError, FileNotInImage
from pytest_alpine.facts.live import LiveFacts
from pytest_alpine.rootfs.base import Entry, absolute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Self

    from testinfra.host import Host

    from pytest_alpine.engine.exec.history import PastCommand
    from pytest_alpine.engine.exec.process import Processes
    from pytest_alpine.engine.exec.result import CommandResult
    from pytest_alpine.image.image import Image
    from pytest_alpine.platforms import Platform
    from pytest_alpine.rootfs.base import RootFS


class Container(LiveFacts, ABC):
    """One running container, as a context manager that stops it. Several threads may use it at the same time.

    ``packages``, ``world``, ``release``, ``libc``, ``shells`` and ``shell`` are read again at every access. Each engine
    implements the abstract methods; only this class calls those that begin with an underscore.
    """

    def __init__(
        self, name: str, image: Image, processes: Processes, *, emulated: bool, forget: Callable[[], None]
    ) -> None:
        """Represent a container that the engine has created.

        Args:
            name: how people call it.
            image: what it runs.
            processes: starts processes in it.
            emulated: whether an emulator runs its programs.
            forget: called once, when the container is stopped and removed.
        """
        self._name = name
        self._image = image
        self._emulated = emulated
        self._processes = processes
        self._forget = forget
        self.commands = Commands(processes, f"container {name}")
        """Runs the commands."""
        self._history = CommandHistory()
        self._stopping = threading.Lock()
        self._removed = False
        self._kept = False

    @property
    @abstractmethod
    def id(self) -> str:
        """The engine's identifier of the container."""

    @property
    def name(self) -> str:
        """The name of the container."""
        return self._name

    @property
    def image(self) -> Image:
        """The image that the container was started from."""
        return self._image

    @property
    def platform(self) -> Platform:
        """The platform of its image."""
        return self._image.platform

    @property
    def emulated(self) -> bool:
        """Whether an emulator runs the programs of the container."""
        return self._emulated

    @property
    @abstractmethod
    def enter_command(self) -> str:
        """The command by which people open a shell in the container."""

    @property
    @abstractmethod
    def remove_command(self) -> str:
        """The command by which people remove the container."""

    def run(  # noqa: PLR0913 - the parts of a command; all but the first are optional
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
        """Run *command* as the image's user and in its working directory, and return the result.

        If an exception such as Ctrl-C interrupts it, kill the command and all processes that it started.

        Args:
            command: a text is a line for ``/bin/sh``, anything else a program and its arguments.
            timeout: seconds; then the command and all processes it started are killed.
            check: whether an exit code other than 0 raises.
            user: another user, as ``docker exec --user`` takes it: a name or number, a group behind a colon.
            workdir: another working directory.
            env: more environment variables.
            stdin: what the command reads; nothing when None.
            tty: whether it gets a terminal; its two outputs are one then, ``stdout``.

        Raises:
            CommandTimeout: it ran too long.
            EngineError: with *check*, it failed; else the container or the engine did.
        """
        told = Command(
            words=command if isinstance(command, str) else tuple(command),
            timeout=timeout,
            user=user,
            workdir=workdir,
            env=env or {},
            stdin=stdin.encode("utf-8", "surrogateescape") if isinstance(stdin, str) else stdin,
            tty=tty,
        )
        begun = time.monotonic()
        try:
            result = self.commands.run(told)
        except BaseException as error:
            self._history.add(told, begun, error)
            raise
        self._history.add(told, begun, result)
        return result.check() if check else result

    @property
    def last_commands(self) -> Iterable[PastCommand]:
        """The last commands that ``run`` and ``host`` ran in the container, oldest first."""
        return self._history

    @cached_property
    def host(self) -> Host:
        """The container for testinfra: ``container.host.file("/etc/passwd").mode``."""
        from pytest_alpine.engine.testinfra import open_host

        return open_host(self.id, self.run)

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[RootFS]:
        """Open the present state of the root filesystem, without mounts, for thousands of reads.

        Raises:
            EngineError: the engine does not hand it out.
        """

    def read(self, path: str) -> bytes:
        """Return the bytes of the file that *path* leads to.

        Raises:
            FileNotInImage: *path* leads nowhere, or not to a regular file.
        """
        return self.rootfs.read(path)

    def write(self, path: str, data: bytes | str) -> None:
        """Write *data* to the file that *path* leads to.

        An existing file keeps its owner and mode. A new file belongs to root and has mode 644; missing directories are
        created.

        Raises:
            EngineError: *path* leads to something else than a file, or the engine refused.
        """
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
    def logs(self) -> str:
        """Return the output of the container's first process, and of others that write to the same outputs."""

    @abstractmethod
    def memory(self) -> int:
        """Return the memory in use now, in bytes: of all processes and tmpfs, without droppable cache."""

    def why_stopped(self) -> str | None:
        """Return why the container stopped, such as ``exit code 137``; None while it runs.

        Raises:
            EngineError: the engine does not tell.
        """
        return self._processes.why_stopped()

    def keep(self) -> str:
        """Leave the container running for good, and return the command that opens a shell in it.

        Raises:
            EngineError: the engine refused.
        """
        self._leave_running()
        self._kept = True
        return self.enter_command

    def close(self) -> None:
        """Stop the container, unless it is kept; its engine calls this when it closes.

        Raises:
            EngineError: the engine refused.
        """
        if self._kept:
            self.commands.close()
            self._disconnect()
        else:
            self.stop()

    def stop(self) -> None:
        """Kill the container and remove it with its volumes; stopping again does nothing.

        Raises:
            EngineError: the engine refused.
        """
        with self._stopping:
            if not self._removed:
                self.commands.close()
                self._remove()
                self._removed = True
                self._forget()

    @abstractmethod
    def _put(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        """Write a file with the content *data* to *path*, which is not a link; create the directories above it."""

    @abstractmethod
    def _remove(self) -> None:
        """Kill the container and remove it; called again if it failed."""

    @abstractmethod
    def _leave_running(self) -> None:
        """Make the engine leave the container running when this process ends."""

    def _disconnect(self) -> None:
        """Close the connections to the container, and leave it running."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __str__(self) -> str:
        return f"container {self._name} of {self._image}"

    def __repr__(self) -> str:
        return f"<{self}>"
