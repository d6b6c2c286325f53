"""The seam between tests and what runs their containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from pytest_alpine.engine.exec.result import TIMEOUT
from pytest_alpine.facts.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Self

    from testinfra.host import Host

    from pytest_alpine.engine.exec.history import PastCommand
    from pytest_alpine.engine.exec.result import CommandResult
    from pytest_alpine.image.image import Image
    from pytest_alpine.platforms import Platform
    from pytest_alpine.rootfs.base import RootFS

NO_NETWORK: Final = "none"
"""The word for a container that has a loopback interface and nothing else."""


class Container(Facts, Protocol):
    """One running container. A context manager that stops it; any number of threads may use it at once."""

    @property
    def id(self) -> str:
        """How the engine calls it."""
        ...

    @property
    def image(self) -> Image:
        """What it runs."""
        ...

    @property
    def platform(self) -> Platform:
        """The platform of its image."""
        ...

    @property
    def emulated(self) -> bool:
        """Whether an emulator runs its programs."""
        ...

    @property
    def enter_command(self) -> str:
        """The command that opens a shell in it, for people."""
        ...

    @property
    def remove_command(self) -> str:
        """The command that removes it, for people."""
        ...

    def run(  # noqa: PLR0913 - the parts of a command, all but the first of them optional
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
        """Run *command* and return what it did, as the image's user and in its working directory.

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
        ...

    @property
    def host(self) -> Host:
        """The container for testinfra: ``container.host.file("/etc/passwd").mode``."""
        ...

    @property
    def rootfs(self) -> RootFS:
        """The root filesystem as it is now."""
        ...

    def snapshot(self) -> AbstractContextManager[RootFS]:
        """Open the root filesystem of this moment for thousands of questions, without what is mounted into it.

        Raises:
            EngineError: the engine does not hand it out.
        """
        ...

    def read(self, path: str) -> bytes:
        """Return the bytes of the file that *path* leads to.

        Raises:
            FileNotInImage: *path* leads nowhere, or not to a regular file.
        """
        ...

    def write(self, path: str, data: bytes | str) -> None:
        """Make *data* the content of the file that *path* leads to.

        A file that exists keeps owner and mode; a new one is root's with mode 644, in directories that are made.

        Raises:
            EngineError: the engine refused.
        """
        ...

    @property
    def last_commands(self) -> Iterable[PastCommand]:
        """The last commands that ``run`` and ``host`` ran in it, oldest first."""
        ...

    def logs(self) -> str:
        """Return what the container's first process, and whoever writes to its outputs, has written."""
        ...

    def memory(self) -> int:
        """Return the memory in use now, in bytes: of all processes and tmpfs, without cache that can be dropped."""
        ...

    def keep(self) -> str:
        """Leave the container running for good, and return the command that opens a shell in it."""
        ...

    def stop(self) -> None:
        """Kill the container and remove it with its volumes; stopping again does nothing.

        Raises:
            EngineError: the engine refused.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Engine(Protocol):
    """What runs containers. Any number of threads may use it at once."""

    @property
    def name(self) -> str:
        """The word for it in ``--alpine-engine``."""
        ...

    def describe(self) -> str:
        """Return one line about it: version, storage, and which platforms it emulates."""
        ...

    def emulated(self, platform: Platform) -> bool:
        """Whether programs of *platform* are emulated here.

        Raises:
            PlatformNotRunnable: they can neither run nor be emulated; the message names the command that mends it.
        """
        ...

    def start(self, image: Image) -> Container:
        """Start a container of *image* that runs until it is stopped, whatever the image is made to run.

        Raises:
            PlatformNotRunnable: programs of its platform do not run here.
            ContainerStartError: the engine could not start it.
            EngineError: the engine failed otherwise.
            ImageError: the image has to be loaded into the engine and cannot be read.
        """
        ...

    def sweep(self) -> list[str]:
        """Remove the containers of runs on this machine that are dead, and return their names."""
        ...

    def close(self) -> None:
        """Stop all containers that this object started, but those that are kept, and let go of the engine."""
        ...
