"""The process that starts sandboxes, and processes in them, on behalf of another process, which has threads.

Only a process with one thread may enter user namespaces, and a process that dies with its parent is killed when the
*thread* that started it ends. This process has a single thread and its own mounts, which disappear when it and all its
sandboxes have ended. It ends when the other process closes the connection, or dies for any reason. It imports little,
so that it starts fast.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what is behind signal, which takes long to import
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
    """Executes the requests of one connection."""

    def __init__(self, channel: socket, controller: int, *, rootless: bool) -> None:
        """Serve *channel*.

        Args:
            channel: the connection.
            controller: a pidfd of the process at its other end.
            rootless: whether there is one user here, as in a user namespace of an ordinary user.
        """
        self._channel = channel
        self._rootless = rootless
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._sandboxes: dict[int, bool] = {}
        self._links = [channel.fileno(), controller]
        self._watch(channel.fileno(), self._serve)
        self._watch(controller, self._left_alone)

    def run(self) -> None:
        """Work until the connection is closed and no kept sandbox runs."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._handlers:
                    self._handlers[descriptor]()

    def _serve(self) -> None:
        try:
            request, descriptors = receive(self._channel)
        except (EOFError, OSError):
            self._left_alone()
            return
        try:
            answer: tuple[object, ...] = ("ok", self._do(request, descriptors))
        except OSError as error:
            answer = ("error", error.errno or 0, str(error.strerror or error))
        for descriptor in descriptors:
            os.close(descriptor)
        send(self._channel, answer)

    def _do(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """Execute *request*. Removes descriptors that must stay open from the list."""
        what = request["do"]
        if what == "contain":
            return self._contain(request, descriptors)
        if what == "run":
            return self._run(request, descriptors)
        if what == "keep":
            self._sandboxes[request["pid"]] = True
        elif what == "end":
            self._end(request["pid"], request["folder"])
        return 0

    def _contain(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """Start bubblewrap. Descriptors: of its log to read, of who is told its end, and its own from 0 on."""
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
            _child(descriptors[2:], lambda: execute(request["argv"], {}))
        self._sandboxes[pid] = False
        log = os.open(f"{folder}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        source, told = descriptors[:2]
        del descriptors[:2]
        self._watch(source, lambda: self._copy(source, log))
        self._wait_for(pid, told)
        return pid

    def _run(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """Start a process in a sandbox. Descriptors: a pidfd from there, of who is told its end, and its own three."""
        sandbox, told = descriptors[:2]
        pid = os.fork()
        if pid == 0:
            _child(descriptors[2:], lambda: self._enter(sandbox, request))
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

    def _end(self, pid: int, folder: str) -> None:
        if pid in self._sandboxes:
            os.kill(pid, _signal.SIGKILL)
        with suppress(OSError):  # it is a copy, and nothing is mounted there
            namespaces.unmount(f"{folder}/merged")

    def _left_alone(self) -> None:
        """End all sandboxes that are not kept, and this process after the last one."""
        while self._links:
            self._forget(self._links.pop())
        for pid, kept in self._sandboxes.items():
            if not kept:
                os.kill(pid, _signal.SIGKILL)
        if not any(self._sandboxes.values()):
            os._exit(0)

    def _wait_for(self, pid: int, told: int) -> None:
        """Write the exit code of the child *pid* to *told* when it has one."""
        descriptor = os.pidfd_open(pid)

        def ended() -> None:
            self._forget(descriptor)
            _, status = os.waitpid(pid, 0)
            with suppress(BrokenPipeError):  # nobody asks
                os.write(told, str(_exit_code(status)).encode())
            os.close(told)
            if self._sandboxes.pop(pid, False) and not self._links:
                self._left_alone()

        self._watch(descriptor, ended)

    def _copy(self, source: int, log: int) -> None:
        data = os.read(source, _PIECE)
        if data:
            os.write(log, data)
        else:
            self._forget(source)
            os.close(log)

    def _watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, select.POLLIN)

    def _forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._handlers[descriptor]
        os.close(descriptor)


def confine(uid: int, gid: int, groups: Sequence[int], *, rootless: bool) -> None:
    """Make this process an ordinary process of the sandbox that it has entered.

    Args:
        uid: its user.
        gid: its group.
        groups: its further groups.
        rootless: whether there is but one user here: then it gets a user namespace where that one is called *uid*.

    Raises:
        OSError: the kernel refused.
    """
    if rootless and (uid, gid) != (0, 0):
        namespaces.become(uid, gid)
    namespaces.drop_privileges(uid, gid, os.getgroups() if rootless else groups)
    # The kernel resets this when a process changes its user.
    namespaces.die_with_parent()


def execute(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Execute the program *argv* in this process, searched in the PATH of *env*.

    Raises:
        OSError: it cannot be started.
    """
    default_signals()
    name = argv[0]
    places = [name] if "/" in name else [f"{folder or '.'}/{name}" for folder in env.get("PATH", "").split(":")]
    problem: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for place in places:
        try:
            os.execve(place, list(argv), env)  # noqa: S606 - that is what it is for
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            problem = error
    raise OSError(problem.errno, problem.strerror, name) from problem


def default_signals() -> None:
    """Reset all signals to their default effect: programs inherit those that Python or its parent ignores."""
    for number in range(1, _signal.NSIG):
        if _signal.getsignal(number) == _signal.SIG_IGN:
            _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def _child(descriptors: Sequence[int], become: Callable[[], None]) -> None:
    """Call *become* in a child with *descriptors* from 0 on. It executes a program, or the child writes the reason."""
    code = _REFUSED
    try:
        # First out of each other's way.
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


def _own_namespaces() -> bool:
    """Give this process its own mounts, which it may change as an ordinary user too; return whether it is one."""
    rootless = False
    try:
        namespaces.unshare(namespaces.CLONE_NEWNS)
    except PermissionError:
        namespaces.become(0, 0)
        namespaces.unshare(namespaces.CLONE_NEWNS)
        rootless = True
    namespaces.mount("", "/", "", namespaces.MS_REC | namespaces.MS_PRIVATE)
    if not rootless:  # else sandboxes would show in /proc/sys which emulators are registered
        with suppress(OSError):
            namespaces.unmount("/proc/sys/fs/binfmt_misc")
    return rootless


def main() -> None:
    """Serve standard input, which is a connection, for the process that the last argument names."""
    channel = socket(fileno=os.dup(_INPUT))
    try:
        controller = os.pidfd_open(int(sys.argv[-1]))
        rootless = _own_namespaces()
    except OSError as error:
        send(channel, ("error", error.errno or 0, str(error.strerror or error)))
        os._exit(1)
    send(channel, ("ok", int(rootless)))
    Spawner(channel, controller, rootless=rootless).run()
