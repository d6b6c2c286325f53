"""The arguments of bubblewrap: a sandbox without files of this machine, but with the files that engines add.

Spec: bwrap(1); for ``/etc/hosts`` and its like, what Docker mounts into its containers.
"""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_alpine.engine.etc_hosts import HOSTS_FILE, hosts_file
from pytest_alpine.engine.keepalive import READY
from pytest_alpine.errors import ContainerStartError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_alpine.image.image import Image

INFO: Final = READY + 1
"""The descriptor that bubblewrap writes its report to."""
ARGUMENTS: Final = INFO + 1
"""The descriptor that it reads its arguments from. A command line would be visible in the sandbox."""
FILES: Final = ARGUMENTS + 1
"""The first of the descriptors that it reads files from, in order."""
BY_PROGRAM: Final = "/dev/.pytest-alpine-pause"
"""The path of the program that keeps a sandbox running."""

_DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ALONE: Final = (
    "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-cgroup-try",
    "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv",
)  # fmt: skip
# Root owns the files there, with or without capabilities.
_READ_ONLY: Final = tuple(
    word for name in ("sys", "fs", "scsi", "acpi") for word in ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")
)
_FILESYSTEMS: Final = ("--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm")  # noqa: S108 - inside
_RESOLV_CONF: Final = Path("/etc/resolv.conf")


class SandboxFile(NamedTuple):
    """A file that is mounted into a sandbox."""

    path: str
    data: bytes
    mode: str = "0644"


def sandbox_files(image: Image, hostname: str, program: bytes | None) -> list[SandboxFile]:
    """Return the files that are mounted into a sandbox of *image*.

    Raises:
        ContainerStartError: *image* has something else in the place of a directory that every container has.
    """
    for path in ("/proc", "/dev"):
        if not _is_free(image, path, "directory"):
            raise ContainerStartError(f"cannot start a container of {image}: {path} must be a directory")
    texts = {
        HOSTS_FILE: hosts_file(hostname).encode(),
        "/etc/hostname": f"{hostname}\n".encode(),
        "/etc/resolv.conf": _RESOLV_CONF.read_bytes() if _RESOLV_CONF.is_file() else b"",
    }
    files = [SandboxFile(path, data) for path, data in texts.items() if _is_free(image, path, "file")]
    return files if program is None else [*files, SandboxFile(BY_PROGRAM, program, "0555")]


def sandbox_arguments(root: Path, hostname: str, files: Sequence[SandboxFile], *, as_root: bool) -> bytes:
    """Return the arguments that bubblewrap reads from ARGUMENTS, for a sandbox over *root*, which has no mounts yet."""
    mounted = [
        word
        for number, file in enumerate(files, FILES)
        for word in ("--perms", file.mode, "--bind-data", str(number), file.path)
    ]
    words = ["--hostname", hostname, "--info-fd", str(INFO), "--bind", str(root), "/", *_FILESYSTEMS, *mounted]
    guarded = _READ_ONLY if as_root else ()
    return b"".join(os.fsencode(word) + b"\0" for word in (*_ALONE, *words, *guarded, "--chdir", "/"))


def environment(declared: Mapping[str, str], hostname: str) -> dict[str, str]:
    """Return the environment of processes: the variables *declared* by an image, and those that engines add."""
    return {"PATH": _DEFAULT_PATH, "HOSTNAME": hostname, **declared}


def _is_free(image: Image, path: str, kind: str) -> bool:
    """Whether a *kind* can be mounted at *path*: nothing else is there, and no link leads elsewhere."""
    folder = posixpath.dirname(path)
    above = image.rootfs.lstat(folder)
    here = image.rootfs.lstat(path)
    return (above is None or (above.kind, above.path) == ("directory", folder)) and (
        here is None or (here.kind, here.path) == (kind, path)
    )
