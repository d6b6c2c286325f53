"""Root filesystems as every check sees them: an image's flattened layers, or a running container.

Paths are absolute inside the root filesystem (a missing first ``/`` is added). Links are followed inside it and
never outside: ``..`` stops at the root, as in a chroot.
"""

from __future__ import annotations

import io
import stat
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind = Literal["file", "directory", "symlink", "character device", "block device", "fifo"]

KINDS: Final[dict[int, Kind]] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "fifo",
}
"""The kinds of entries by the type of their inode (inode(7)). Sockets have none: no image and no archive holds one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One file, directory, link or device of a root filesystem."""

    path: str
    """Absolute, without links in its directories."""
    kind: Kind
    mode: int
    """Permission, setuid, setgid and sticky bits: 0 to 0o7777."""
    uid: int = 0
    gid: int = 0
    size: int = 0
    """Bytes of a regular file, else 0."""
    target: str = ""
    """A symbolic link's text."""
    layer: int = 0
    """The number of the layer that brought it, from 0."""
    offset: int = -1
    """Where a regular file's bytes begin in its layer; hard links to one file share it."""

    @property
    def is_file(self) -> bool:
        """Whether this is a regular file."""
        return self.kind == "file"

    @property
    def executable(self) -> bool:
        """Whether this is a regular file that someone may execute."""
        return self.kind == "file" and bool(self.mode & 0o111)


class RootFS(Protocol):
    """What checks may ask of a root filesystem."""

    def read(self, path: str, limit: int | None = None) -> bytes:
        """Return the bytes of the regular file that *path* leads to, at most *limit* of them.

        Raises:
            FileNotInImage: *path* leads nowhere, or not to a regular file.
        """
        ...

    def exists(self, path: str) -> bool:
        """Whether *path* leads to anything, links followed."""
        ...

    def stat(self, path: str) -> Entry:
        """Return what *path* leads to, links followed.

        Raises:
            FileNotInImage: *path* leads nowhere.
        """
        ...

    def lstat(self, path: str) -> Entry | None:
        """Return what stands at *path* itself: links in its directories are followed, the last one is not."""
        ...

    def walk(self, top: str = "/") -> Iterator[Entry]:
        """Yield all entries at and below *top*, by path; below it, links are not followed.

        Raises:
            FileNotInImage: *top* leads nowhere.
        """
        ...

    def resolve(self, path: str) -> str:
        """Return the absolute path, free of links, that *path* leads to.

        Raises:
            FileNotInImage: *path* leads nowhere, or round in a loop of links.
        """
        ...


class SeekableRootFS(Protocol):
    """A root filesystem that can read from the middle of a file."""

    def open(self, path: str) -> IO[bytes]:
        """Open the regular file that *path* leads to, for seeking and reading.

        Raises:
            FileNotInImage: *path* leads nowhere, or not to a regular file.
        """
        ...


def open_file(rootfs: RootFS, path: str) -> IO[bytes]:
    """Open the regular file that *path* leads to, for seeking and reading; a large one is not read whole if it can be.

    Raises:
        FileNotInImage: *path* leads nowhere, or not to a regular file.
    """
    # Asked of every file of an image: isinstance with a Protocol takes longer than to open one.
    seekable: Callable[[str], IO[bytes]] | None = getattr(rootfs, "open", None)
    return io.BytesIO(rootfs.read(path)) if seekable is None else seekable(path)


def absolute(path: str) -> str:
    """Return *path* as root filesystems key it: one leading ``/``, no ``.``, no empty components, ``..`` kept."""
    return "/" + "/".join(parts(path))


def parts(path: str) -> list[str]:
    """Return the components of *path*, without empty ones and ``.``; ``..`` is kept."""
    return [part for part in path.split("/") if part not in {"", "."}]
