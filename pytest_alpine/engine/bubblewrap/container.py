"""A running container that is a sandbox of bubblewrap."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.bubblewrap.process import SandboxProcesses
from pytest_alpine.engine.container import Container
from pytest_alpine.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_alpine.engine.bubblewrap.folder_rootfs import FolderRootFS
    from pytest_alpine.engine.bubblewrap.overlay import ContainerFolder
    from pytest_alpine.engine.bubblewrap.process import Sandbox
    from pytest_alpine.image.image import Image
    from pytest_alpine.rootfs.base import RootFS

_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - the container's
_ENTER: Final = Path(__file__).with_name("enter.py")


class BubblewrapContainer(Container):
    """A running container, as a context manager that stops it. Several threads may use it at the same time."""

    def __init__(
        self,
        sandbox: Sandbox,
        folder: ContainerFolder,
        image: Image,
        *,
        emulated: bool,
        forget: Callable[[], None],
    ) -> None:
        super().__init__(folder.path.name, image, SandboxProcesses(sandbox), emulated=emulated, forget=forget)
        self._sandbox = sandbox
        self._folder = folder
        self._ended = False

    @property
    def id(self) -> str:
        """The name of the container."""
        return self._name

    @property
    def enter_command(self) -> str:
        """The command by which people open a shell in the container."""
        return shlex.join([sys.executable, "-I", str(_ENTER), str(self._sandbox.pid)])

    @property
    def remove_command(self) -> str:
        """The command by which people stop the container; the next run removes its files."""
        return f"kill -9 {self._sandbox.pid}"

    @property
    def files(self) -> FolderRootFS:
        """The root filesystem, also for writing."""
        return self._sandbox.view.files

    @property
    def rootfs(self) -> RootFS:
        """The root filesystem; every call reads its present state."""
        return self.files

    def at_once(self) -> AbstractContextManager[RootFS]:
        """Open the root filesystem for many reads: the live files, which are fast."""
        return nullcontext(self.files)

    @contextmanager
    def snapshot(self) -> Iterator[RootFS]:
        """Open the live files without mounts; makes no copy."""
        with closing(self.files.apart()) as files:
            yield files

    def logs(self) -> str:
        """Return the output of the container's first process, and of others that write to the same outputs."""
        with suppress(FileNotFoundError):
            return (self._folder.path / "log").read_bytes().decode("utf-8", "surrogateescape")
        return ""

    def memory(self) -> int:
        """Return the memory in use now, in bytes.

        It is the proportional set size of all processes, so that shared memory counts once, and the files in
        ``/dev/shm``.
        """
        shared = self.files.descriptor(_SHARED_MEMORY, os.O_PATH)
        try:
            state = os.fstatvfs(shared)
        finally:
            os.close(shared)
        return self._sandbox.view.proc.memory() + (state.f_blocks - state.f_bfree) * state.f_frsize

    def _put(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        self.files.write(path, data, mode=mode, uid=uid, gid=gid)

    def _remove(self) -> None:
        if not self._ended:
            self._sandbox.kill()
            with suppress(EngineUnavailable):  # then its mounts do not exist any more
                self._sandbox.link.ask({"do": "end", "pid": self._sandbox.monitor, "folder": str(self._folder.path)})
            self._sandbox.close()
            self._ended = True
        self._folder.remove()

    def _leave_running(self) -> None:
        self._folder.keep(self._sandbox.pid)
        self._sandbox.link.keep(self._sandbox.monitor)

    def _disconnect(self) -> None:
        self._sandbox.close()
