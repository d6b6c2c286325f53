"""A running container that is a sandbox of bubblewrap."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.bubblewrap.process import SandboxProcesses
from pytest_alpine.engine.running import RunningContainer
from pytest_alpine.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_alpine.engine.base import Container
    from pytest_alpine.engine.bubblewrap.overlay import PrivateFolder
    from pytest_alpine.engine.bubblewrap.process import Sandbox
    from pytest_alpine.image.image import Image
    from pytest_alpine.rootfs.base import RootFS

_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - the container's
_ENTER: Final = Path(__file__).with_name("enter.py")


class BubblewrapContainer(RunningContainer):
    """A running container. A context manager that stops it; any number of threads may use it at once."""

    def __init__(
        self,
        sandbox: Sandbox,
        folder: PrivateFolder,
        image: Image,
        *,
        emulated: bool,
        forget: Callable[[BubblewrapContainer], None],
    ) -> None:
        super().__init__(folder.path.name, image, SandboxProcesses(sandbox), emulated=emulated)
        self._sandbox = sandbox
        self._folder = folder
        self._forget = forget
        self._kept = False
        self._stopping = threading.Lock()
        self._stopped = False
        self._removed = False

    @property
    def id(self) -> str:
        """Its name."""
        return self._name

    @property
    def enter_command(self) -> str:
        """The command that opens a shell in it, for people."""
        return shlex.join([sys.executable, "-I", str(_ENTER), str(self._sandbox.pid)])

    @property
    def remove_command(self) -> str:
        """The command that ends it, for people; the next run removes its files."""
        return f"kill -9 {self._sandbox.pid}"

    @property
    def rootfs(self) -> RootFS:
        """The root filesystem; every question is answered as it is at that moment."""
        return self._sandbox.view.files

    def at_once(self) -> AbstractContextManager[RootFS]:
        """Open what is best asked many questions in a row: the files themselves."""
        return nullcontext(self._sandbox.view.files)

    @contextmanager
    def snapshot(self) -> Iterator[RootFS]:
        """Open the files without what is mounted among them; they are asked directly, and no copy is made."""
        with closing(self._sandbox.view.files.apart()) as files:
            yield files

    def logs(self) -> str:
        """Return what the container's first process, and whoever writes to its outputs, has written."""
        with suppress(FileNotFoundError):
            return (self._folder.path / "log").read_bytes().decode("utf-8", "surrogateescape")
        return ""

    def memory(self) -> int:
        """Return the memory in use now, in bytes.

        It is the proportional set size of all processes, so that what several of them share counts once, and what
        stands in ``/dev/shm``.
        """
        shared = self._sandbox.view.files.descriptor(_SHARED_MEMORY, os.O_PATH)
        try:
            state = os.fstatvfs(shared)
        finally:
            os.close(shared)
        return self._sandbox.view.proc.memory() + (state.f_blocks - state.f_bfree) * state.f_frsize

    def keep(self) -> str:
        """Leave the container running for good, and return the command that opens a shell in it."""
        self._folder.keep(self._sandbox.pid)
        self._sandbox.link.keep(self._sandbox.monitor)
        self._kept = True
        return self.enter_command

    def let_go(self) -> None:
        """Stop the container, unless it is to be kept; for the engine when it is closed."""
        if self._kept:
            self.commands.close()
            self._sandbox.close()
        else:
            self.stop()

    def stop(self) -> None:
        """Kill the container and remove its files; stopping again does nothing."""
        with self._stopping:
            if not self._stopped:
                self._stopped = True
                self._end()
            if not self._removed:
                self._folder.remove()
                self._removed = True
                self._forget(self)

    def _end(self) -> None:
        self.commands.close()
        self._sandbox.kill()
        with suppress(EngineUnavailable):  # then its mounts are gone, too
            self._sandbox.link.ask({"do": "end", "pid": self._sandbox.monitor, "folder": str(self._folder.path)})
        self._sandbox.close()

    def _put(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        self._sandbox.view.files.write(path, data, mode=mode, uid=uid, gid=gid)


if TYPE_CHECKING:
    _: type[Container] = BubblewrapContainer
