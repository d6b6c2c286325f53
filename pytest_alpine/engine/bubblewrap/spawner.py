"""The spawner: a process that starts sandboxes, and processes in them, for the process that runs the tests.

Only a process with a single thread may enter user namespaces, and a process that dies with its parent already dies when
the parent's *thread* ends. The spawner has a single thread. It also has its own mounts, which end with it and its
sandboxes. It ends when the process it works for closes the connection or dies in any way. It imports little, so that it
starts fast.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal itself takes long to import
import errno
import fcntl
import os
import select
import sys
from _socket import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.engine.bubblewrap import namespaces
from pytest_alpine.engine.bubblewrap.wire import MAX_DESCRIPTORS, receive, send

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PIECE: Final = 1 << 16
_DEATH_BY_SIGNAL: Final = 128
_NOT_FOUND: Final = 127
_REFUSED: Final = 126
_INPUT: Final = 0
_ERRORS: Final = 2


class Spawner:
    """Serves the requests of one connection."""

    def __init__(self, channel: socket, controller: int, *, rootless: bool) -> None:
        """Serve *channel*.

        Args:
            channel: the connection.
            controller: a pidfd of the process at its other end.
            rootless: whether an ordinary user runs it, in a user namespace with a single user.
        """
        self._channel = channel
        self._rootless = rootless
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._sandboxes: dict[int, bool] = {}
        self._links = [channel.fileno(), controller]
        self._watch(channel.fileno(), self._serve)
        self._watch(controller, self._shut_down)

    def run(self) -> None:
        """Serve until the connection is closed and no sandbox is left."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._handlers:
                    self._handlers[descriptor]()

    def _serve(self) -> None:
        try:
            request, descriptors = receive(self._channel)
        except (EOFError, OSError):
            self._shut_down()
            return
        try:
            answer: tuple[object, ...] = ("ok", self._do(request, descriptors))
        except OSError as error:
            answer = ("error", error.errno or 0, str(error.strerror or error))
        for descriptor in descriptors:
            os.close(descriptor)
        send(self._channel, answer)

    def _do(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """Serve *request*; descriptors that must stay open are removed from the list."""
        what = request["do"]
        if what == "contain":
            return self._start_sandbox(request, descriptors)
        if what == "run":
            return self._start_process(request, descriptors)
        if what == "keep":
            self._sandboxes[request["pid"]] = True
        elif what == "end":
            self._end_sandbox(request["pid"], request["folder"])
        return 0

    def _start_sandbox(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """Start bubblewrap. The descriptors: its log, to read; where its exit code goes; its own, from 0 on."""
        folder: str = request["folder"]
        if request["overlay"]:
            os.chdir(folder)
            try:
                options = request["overlay"] + (",userxattr" if self._rootless else "")
                namespaces.mount("overlay", "merged", "overlay", 0, options)
            finally:
                os.chdir("/")
        pid = os.fork()
        if pid == 0:
            _exec_in_child(descriptors[2:], lambda: execute(request["argv"], {}))
        self._sandboxes[pid] = False
        log = os.open(f"{folder}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        source, told = descriptors[:2]
        del descriptors[:2]
        self._watch(source, lambda: self._copy_log(source, log))
        self._wait_for(pid, told)
        return pid

    def _start_process(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """Start a process in a sandbox. The descriptors: a pidfd of it; where the exit code goes; its own three."""
        sandbox, told = descriptors[:2]
        pid = os.fork()
        if pid == 0:
            _exec_in_child(descriptors[2:], lambda: self._enter(sandbox, request))
        descriptors.remove(told)
        self._wait_for(pid, told)
        return pid

    def _enter(self, sandbox: int, request: dict[str, Any]) -> None:
        namespaces.die_with_parent()
        namespaces.enter(sandbox, namespaces.INSIDE | namespaces.CLONE_NEWPID)
        pid = os.fork()  # only children are in the namespace of process numbers
        if pid:
            os.closerange(_INPUT, MAX_DESCRIPTORS)
            os._exit(_exit_code(os.waitpid(pid, 0)[1]))
        os.setsid()
        confine(request["uid"], request["gid"], request["groups"], rootless=self._rootless)
        if request["tty"]:
            namespaces.take_terminal(_INPUT)
        os.chdir(request["workdir"])
        execute(request["argv"], request["env"])

    def _end_sandbox(self, pid: int, folder: str) -> None:
        if pid in self._sandboxes:
            os.kill(pid, _signal.SIGKILL)
        with suppress(OSError):  # nothing is mounted where it is a copy
            namespaces.unmount(f"{folder}/merged")

    def _shut_down(self) -> None:
        """End all sandboxes that are not kept, and this process with the last one."""
        while self._links:
            self._unwatch(self._links.pop())
        for pid, kept in self._sandboxes.items():
            if not kept:
                os.kill(pid, _signal.SIGKILL)
        if not any(self._sandboxes.values()):
            os._exit(0)

    def _wait_for(self, pid: int, told: int) -> None:
        """Write the exit code of the child *pid* to *told* when it has ended."""
        descriptor = os.pidfd_open(pid)

        def ended() -> None:
            self._unwatch(descriptor)
            _, status = os.waitpid(pid, 0)
            with suppress(BrokenPipeError):  # nobody reads it
                os.write(told, str(_exit_code(status)).encode())
            os.close(told)
            if self._sandboxes.pop(pid, False) and not self._links:
                self._shut_down()

        self._watch(descriptor, ended)

    def _copy_log(self, source: int, log: int) -> None:
        data = os.read(source, _PIECE)
        if data:
            os.write(log, data)
        else:
            self._unwatch(source)
            os.close(log)

    def _watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, select.POLLIN)

    def _unwatch(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._handlers[descriptor]
        os.close(descriptor)


def confine(uid: int, gid: int, groups: Sequence[int], *, rootless: bool) -> None:
    """Make this process, which has entered a sandbox, an ordinary process there.

    Args:
        uid: its user.
        gid: its group.
        groups: its further groups.
        rootless: whether there is a single user here; then the process gets a user namespace where that is *uid*.

    Raises:
        OSError: the kernel refused.
    """
    if rootless and (uid, gid) != (0, 0):
        namespaces.become(uid, gid)
    namespaces.drop_privileges(uid, gid, os.getgroups() if rootless else groups)
    # The kernel resets this when a process changes its user.
    namespaces.die_with_parent()


def execute(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Replace this process by the program *argv*, which is looked up in the PATH of *env*.

    Raises:
        OSError: it cannot be started.
    """
    default_signals()
    name = argv[0]
    places = [name] if "/" in name else [f"{folder or '.'}/{name}" for folder in env.get("PATH", "").split(":")]
    problem: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for place in places:
        try:
            os.execve(place, list(argv), env)  # noqa: S606 - on purpose
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            problem = error
    raise OSError(problem.errno, problem.strerror, name) from problem


def default_signals() -> None:
    """Give all signals their default effect: programs inherit what Python ignores, and what a parent of it ignored."""
    for number in range(1, _signal.NSIG):
        if _signal.getsignal(number) == _signal.SIG_IGN:
            _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def _exec_in_child(descriptors: Sequence[int], become: Callable[[], None]) -> None:
    """In a child, call *become*, which runs another program, or report why it failed; *descriptors* become 0 and up."""
    code = _REFUSED
    try:
        # First to high numbers, so that none overwrites another.
        high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, MAX_DESCRIPTORS) for descriptor in descriptors]
        for number, descriptor in enumerate(high):
            os.dup2(descriptor, number)
        become()
    except OSError as error:
        code = _NOT_FOUND if error.errno == errno.ENOENT else _REFUSED
        where = f"{error.filename}: " if error.filename else ""
        os.write(_ERRORS, f"cannot start: {where}{(error.strerror or '').lower()}\n".encode())
    finally:
        os._exit(code)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _DEATH_BY_SIGNAL - code


def _unshare_mounts() -> bool:
    """Give this process its own mounts; for an ordinary user in a user namespace, in which case it returns True."""
    rootless = False
    try:
        namespaces.unshare(namespaces.CLONE_NEWNS)
    except PermissionError:
        namespaces.become(0, 0)
        namespaces.unshare(namespaces.CLONE_NEWNS)
        rootless = True
    namespaces.mount("", "/", "", namespaces.MS_REC | namespaces.MS_PRIVATE)
    if not rootless:  # then sandboxes show /proc/sys, where the list of emulators should not be seen
        with suppress(OSError):
            namespaces.unmount("/proc/sys/fs/binfmt_misc")
    return rootless


def main() -> None:
    """Serve the connection that is standard input, for the process whose number is the last argument."""
    channel = socket(fileno=os.dup(_INPUT))
    try:
        controller = os.pidfd_open(int(sys.argv[-1]))
        rootless = _unshare_mounts()
    except OSError as error:
        send(channel, ("error", error.errno or 0, str(error.strerror or error)))
        os._exit(1)
    send(channel, ("ok", int(rootless)))
    Spawner(channel, controller, rootless=rootless).run()
