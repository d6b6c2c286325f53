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
"""The kinds of entries by the type of their inode (inode(7)). Sockets are left out: images do not contain them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One file, directory, link or device of a root filesystem."""

    path: str
    """The absolute path, without links in its directories."""
    kind: Kind
    mode: int
    """Permission, setuid, setgid and sticky bits: 0 to 0o7777."""
    uid: int = 0
    gid: int = 0
    size: int = 0
    """The size of a regular file in bytes, else 0."""
    target: str = ""
    """The target of a symbolic link, else empty."""
    layer: int = 0
    """The number of the layer that added it, from 0."""
    offset: int = -1
    """The offset of a regular file's bytes in the tar of its layer. Hard links to one file have the same offset."""
    capabilities: str | None = ""
    """The capabilities of a regular file as getcap(8) writes them, such as ``cap_net_raw=ep``; empty where it has none,
    and None where the engine does not tell, as in a sandbox."""

    @property
    def is_file(self) -> bool:
        """Whether this is a regular file."""
        return self.kind == "file"

    @property
    def executable(self) -> bool:
        """Whether this is a regular file that someone may execute."""
        return self.kind == "file" and bool(self.mode & 0o111)


class RootFS(Protocol):
    """The read access to a root filesystem that checks use."""

    def read(self, path: str, limit: int | None = None) -> bytes:
        """Return the bytes of the regular file that *path* leads to, at most *limit* of them.

        Raises:
            FileNotInImage: *path* leads nowhere, or not to a regular file.
        """
        ...

    def exists(self, path: str) -> bool:
        """Whether *path* leads to an entry; follows links."""
        ...

    def stat(self, path: str) -> Entry:
        """Return the entry that *path* leads to; follows links.

        Raises:
            FileNotInImage: *path* leads nowhere.
        """
        ...

    def lstat(self, path: str) -> Entry | None:
        """Return the entry at *path*, or None. Follows links in its directories, but not a link at its end."""
        ...

    def walk(self, top: str = "/") -> Iterator[Entry]:
        """Yield all entries at and below *top*, sorted by path. Follows links in *top*, but not below it.

        Raises:
            FileNotInImage: *top* leads nowhere.
        """
        ...

    def resolve(self, path: str) -> str:
        """Return the absolute path without links that *path* leads to.

        Raises:
            FileNotInImage: *path* leads nowhere, or into a loop of links.
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
    """Open the regular file that *path* leads to, for seeking and reading.

    Reads only the parts that are asked for, if *rootfs* is a ``SeekableRootFS``; else reads the whole file first.

    Raises:
        FileNotInImage: *path* leads nowhere, or not to a regular file.
    """
    # This runs for every file of an image, and isinstance() with a Protocol takes longer than to open a file.
    seekable: Callable[[str], IO[bytes]] | None = getattr(rootfs, "open", None)
    return io.BytesIO(rootfs.read(path)) if seekable is None else seekable(path)


def absolute(path: str) -> str:
    """Return *path* in the form of ``Entry.path``: one leading ``/``, no ``.``, no empty components; keeps ``..``."""
    return "/" + "/".join(parts(path))


def parts(path: str) -> list[str]:
    """Return the components of *path* without empty ones and ``.``; keeps ``..``."""
    return [part for part in path.split("/") if part not in {"", "."}]
