"""Starts sandboxes of bubblewrap that keep running, with the root filesystem of an image."""

from __future__ import annotations

import json
import os
import secrets
import select
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.bubblewrap.container import BubblewrapContainer
from pytest_alpine.engine.bubblewrap.folder_rootfs import FolderRootFS
from pytest_alpine.engine.bubblewrap.overlay import OVERLAY, ContainerFolder
from pytest_alpine.engine.bubblewrap.process import Exit, Sandbox, SandboxView
from pytest_alpine.engine.bubblewrap.procfs import ProcFS
from pytest_alpine.engine.bubblewrap.sandbox import ARGUMENTS, BY_PROGRAM, environment, sandbox_arguments, sandbox_files
from pytest_alpine.engine.bubblewrap.unpacked import unpacked
from pytest_alpine.engine.exec.command import SHELL
from pytest_alpine.engine.exec.result import last_lines
from pytest_alpine.engine.keepalive import BY_SHELL, pause_program
from pytest_alpine.engine.labels import container_name
from pytest_alpine.engine.starting import all_said, start_or_explain, start_problem
from pytest_alpine.errors import AlpineError, ContainerStartError, EngineError, EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_alpine.engine.bubblewrap.link import SpawnerLink
    from pytest_alpine.engine.running import RunningContainers
    from pytest_alpine.image.image import Image
    from pytest_alpine.platforms import Machine

# Seconds within which bubblewrap starts, on a busy machine.
_STARTING: Final = 60.0
_DYING: Final = 2.0
_STEP: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_REPORT: Final = 1 << 12


class BubblewrapStart:
    """Starts sandboxes."""

    def __init__(
        self, link: SpawnerLink, running: RunningContainers, folder: Path, program: str, *, native: Machine
    ) -> None:
        """Start no sandbox yet.

        Args:
            link: the process that starts sandboxes.
            running: where containers are noted.
            folder: where their folders are made.
            program: the path of bubblewrap.
            native: the machine that this is.
        """
        self.overlays = True
        """Whether the kernel mounts overlays, as far as known."""
        self._link = link
        self._running = running
        self._folder = folder
        self._program = program
        self._native = native

    def start(self, image: Image, *, emulated: bool) -> BubblewrapContainer:
        """Start a container of *image*; see ``Engine.start``."""
        container = self._created(image, emulated=emulated)
        start_or_explain(container, lambda: _boot(container), lambda error: _diagnosis(container, error))
        return container

    def _created(self, image: Image, *, emulated: bool) -> BubblewrapContainer:
        folder = ContainerFolder.create(self._folder / container_name(image), unpacked(image))
        name = folder.path.name
        try:
            sandbox = self._sandbox(image, folder)
        except BaseException:
            folder.remove()
            raise
        container = BubblewrapContainer(
            sandbox, folder, image, emulated=emulated, forget=partial(self._running.forget, name)
        )
        self._running.add(name, container.close)
        return container

    def _sandbox(self, image: Image, folder: ContainerFolder) -> Sandbox:
        """Start a sandbox in *folder*, and return it when its first process runs."""
        hostname = secrets.token_hex(6)
        program = pause_program(self._native)
        files = sandbox_files(image, hostname, program)
        command = BY_SHELL if program is None else (BY_PROGRAM,)
        words = [self._program, "--args", str(ARGUMENTS), *command]
        arguments = sandbox_arguments(folder.merged, hostname, files, as_root=not self._link.rootless)
        end = Exit()
        with ExitStack() as ours, ExitStack() as failed:
            failed.callback(end.close)
            (ready, ready_end), (info, info_end) = _pipe(ours), _pipe(ours)
            with ExitStack() as theirs:
                for descriptor in (ready_end, info_end, end.told):
                    theirs.callback(os.close, descriptor)
                log, log_end = os.pipe()
                theirs.callback(os.close, log)
                theirs.callback(os.close, log_end)
                null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
                theirs.callback(os.close, null)
                data = [_in_memory(content, theirs) for content in (arguments, *(file.data for file in files))]
                own = [null, log_end, log_end, ready_end, info_end, *data]
                monitor = self._contain(folder, words, [log, end.told, *own])
            failed.callback(self._end, monitor, folder)
            if not _tells(ready):
                end.code(_DYING)
                said = last_lines(_bytes(folder.path / "log")) or "bubblewrap gave no reason"
                raise ContainerStartError(f"cannot start a container of {image}: {said}")
            pid = int(json.loads(os.read(info, _REPORT))["child-pid"])
            sandbox = Sandbox(
                link=self._link,
                monitor=monitor,
                pid=pid,
                view=self._view(folder, pid),
                end=end,
                user=image.config.user,
                workdir=image.config.working_dir or "/",
                env=environment(image.config.env, hostname),
            )
            failed.pop_all()
        return sandbox

    def _contain(self, folder: ContainerFolder, words: Sequence[str], descriptors: Sequence[int]) -> int:
        """Start bubblewrap over an overlay, or else over a copy, and return the number of its process."""
        request = {"do": "contain", "folder": str(folder.path), "argv": words}
        try:
            if self.overlays:
                try:
                    return self._link.ask({**request, "overlay": OVERLAY}, descriptors)
                except OSError:
                    self.overlays = False
            folder.copy()
            return self._link.ask({**request, "overlay": ""}, descriptors)
        except OSError as error:
            raise EngineError(f"cannot start a sandbox: {error.strerror or error}") from error

    def _end(self, monitor: int, folder: ContainerFolder) -> None:
        with suppress(EngineUnavailable, OSError):
            self._link.ask({"do": "end", "pid": monitor, "folder": str(folder.path)})

    def _view(self, folder: ContainerFolder, pid: int) -> SandboxView:
        """Open descriptors of the sandbox whose first process is *pid*."""
        where = f"container {folder.path.name}"
        with ExitStack() as failed:
            try:
                descriptor = os.pidfd_open(pid)
                failed.callback(os.close, descriptor)
                root = os.open(f"/proc/{pid}/root", _STEP)
                own = os.open(f"/proc/{self._link.pid}/root{folder.merged}", _STEP)
                files = FolderRootFS(root, own, where)
                failed.callback(files.close)
                proc = ProcFS(os.open("proc", _STEP, dir_fd=root))
            except OSError as error:
                raise ContainerStartError(f"cannot look into {where}: {error.strerror}") from error
            failed.pop_all()
        return SandboxView(descriptor=descriptor, files=files, proc=proc)


def _boot(container: BubblewrapContainer) -> None:
    """Create the files that engines create in every container, and start a shell."""
    for path in (container.image.config.working_dir or "/", *container.image.config.volumes):
        container.files.make_directory(path)
    container.commands.has_shell = container.files.exists(SHELL)
    if container.commands.has_shell:
        container.commands.start_shell()


def _diagnosis(container: BubblewrapContainer, error: AlpineError) -> AlpineError:
    """Return the cause of *error* at the start of *container*."""
    if isinstance(error, EngineUnavailable):
        return error
    return start_problem(container, all_said(container, error))


def _pipe(stack: ExitStack) -> tuple[int, int]:
    """Return the ends of a new pipe; *stack* closes the reading end."""
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    return reading, writing


def _in_memory(data: bytes, stack: ExitStack) -> int:
    """Return a descriptor of a file in memory with the content *data*, which *stack* closes."""
    descriptor = os.memfd_create("pytest-alpine")
    stack.callback(os.close, descriptor)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _tells(ready: int) -> bool:
    """Whether the first process writes that it runs, before it ends."""
    poll = select.poll()
    poll.register(ready, select.POLLIN)
    return bool(poll.poll(_STARTING * 1000)) and bool(os.read(ready, 1))


def _bytes(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""
