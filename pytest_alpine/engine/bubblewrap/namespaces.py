"""What Linux offers to make and enter sandboxes, and Python 3.11 does not: mounts, namespaces, capabilities.

Specs: mount(2), unshare(2), setns(2), user_namespaces(7), capabilities(7), prctl(2). Used in processes of one thread
that start fast, so this imports nothing but what it takes.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

INSIDE: Final = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET
"""All namespaces of a sandbox except those of users and of process numbers."""

MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
MNT_DETACH: Final = 2

_PR_SET_PDEATHSIG: Final = 1
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITIES_3: Final = 0x20080522
_TIOCSCTTY: Final = 0x540E
_SIGKILL: Final = 9

_libc: Final = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount a filesystem of *kind*.

    Raises:
        OSError: the kernel refused.
    """
    words = (os.fsencode(word) if word else None for word in (source, target, kind))
    _done(_libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(options)), f"mount {kind or source} at {target}")


def unmount(target: str) -> None:
    """Detach the mount at *target*; the kernel removes it when no process uses it.

    Raises:
        OSError: the kernel refused.
    """
    _done(_libc.umount2(os.fsencode(target), MNT_DETACH), f"unmount {target}")


def unshare(flags: int) -> None:
    """Move this process into new namespaces.

    Raises:
        OSError: the kernel refused.
    """
    _done(_libc.unshare(flags), "unshare")


def enter(descriptor: int, flags: int) -> None:
    """Move this process into the namespaces *flags* of the process of *descriptor*, a pidfd.

    Raises:
        OSError: the kernel refused.
    """
    _done(_libc.setns(descriptor, flags), "setns")


def become(uid: int, gid: int) -> None:
    """Map the present user and group to *uid* and *gid* in a user namespace of one user.

    Raises:
        OSError: the kernel refused.
    """
    outside = (os.geteuid(), os.getegid())
    unshare(CLONE_NEWUSER)
    # user_namespaces(7): a process must give up setgroups() before it may map its group.
    for name, text in (
        ("setgroups", "deny"),
        ("gid_map", f"{gid} {outside[1]} 1"),
        ("uid_map", f"{uid} {outside[0]} 1"),
    ):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def die_with_parent() -> None:
    """Make the kernel kill this process when the thread that started it ends."""
    _done(_libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")


def drop_privileges(uid: int, gid: int, groups: Sequence[int]) -> None:
    """Become an ordinary user permanently, without capabilities now and in any program.

    Raises:
        OSError: the kernel refused.
    """
    _done(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    capability = 0
    while _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    if (uid, gid, list(groups)) != (os.getuid(), os.getgid(), os.getgroups()):
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    _done(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def take_terminal(descriptor: int) -> None:
    """Make the terminal *descriptor* the controlling terminal of this session."""
    fcntl.ioctl(descriptor, _TIOCSCTTY, 0)


def _done(result: int, doing: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")
