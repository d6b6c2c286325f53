"""Look-up of paths, as the kernel does it in a chroot, and the root filesystems that are built on one.

Spec: path_resolution(7), https://man7.org/linux/man-pages/man7/path_resolution.7.html
"""

from __future__ import annotations

import posixpath
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import FileNotInImage
from pytest_alpine.rootfs.base import Entry, absolute, parts

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINKS: Final = 40
"""The number of links that Linux follows in one look-up (ELOOP)."""

Lookup = Callable[[str], Entry | None]
"""Returns the entry at exactly the given path, or None. No directory of the path may be a link."""


def follow(lookup: Lookup, path: str, *, last: bool = True) -> Entry | None:
    """Follow *path* from the root, and return the entry at its end, or None.

    Args:
        lookup: returns the entry at each step.
        path: the path to follow.
        last: whether to follow a link in the last component too.

    Raises:
        FileNotInImage: there are more links than Linux follows.
    """
    pending = parts(path)[::-1]
    here, links = "/", 0
    found = lookup("/")
    while pending:
        part = pending.pop()
        if part == "..":
            here = posixpath.dirname(here)
            found = lookup(here)
            continue
        found = lookup(posixpath.join(here, part))
        if found is None:
            return None
        if found.kind == "symlink" and (pending or last):
            links += 1
            if links > MAX_LINKS:
                raise FileNotInImage(f"{absolute(path)}: too many levels of symbolic links")
            if found.target.startswith("/"):
                here = "/"
            pending += parts(found.target)[::-1]
            found = lookup(here)
            continue
        if pending and found.kind != "directory":
            return None
        here = found.path
    return found


class LookupRootFS(ABC):
    """Implements ``RootFS`` for subclasses that define ``lookup``, ``read`` and ``walk``."""

    @abstractmethod
    def lookup(self, path: str) -> Lookup:
        """Return the look-up for one walk along *path*."""

    @abstractmethod
    def read(self, path: str, limit: int | None = None) -> bytes:
        """Return the bytes of the regular file that *path* leads to, at most *limit* of them."""

    @abstractmethod
    def walk(self, top: str = "/") -> Iterator[Entry]:
        """Yield all entries at and below *top*, sorted by path. Follows links in *top*, but not below it."""

    def find(self, path: str) -> Entry | None:
        """Return the entry that *path* leads to, or None; follows links.

        Raises:
            FileNotInImage: *path* leads into a loop of links.
        """
        return follow(self.lookup(path), path)

    def exists(self, path: str) -> bool:
        """Whether *path* leads to an entry; follows links."""
        try:
            return self.find(path) is not None
        except FileNotInImage:
            return False

    def stat(self, path: str) -> Entry:
        """Return the entry that *path* leads to; follows links.

        Raises:
            FileNotInImage: *path* leads nowhere.
        """
        found = self.find(path)
        if found is None:
            raise FileNotInImage(f"no such file or directory: {absolute(path)}")
        return found

    def lstat(self, path: str) -> Entry | None:
        """Return the entry at *path*, or None. Follows links in its directories, but not a link at its end."""
        try:
            return follow(self.lookup(path), path, last=False)
        except FileNotInImage:
            return None

    def resolve(self, path: str) -> str:
        """Return the absolute path without links that *path* leads to.

        Raises:
            FileNotInImage: *path* leads nowhere.
        """
        return self.stat(path).path

    def stat_file(self, path: str) -> Entry:
        """Return the regular file that *path* leads to.

        Raises:
            FileNotInImage: *path* leads nowhere, or not to a regular file.
        """
        found = self.stat(path)
        if found.kind != "file":
            raise not_a_file(path, found)
        return found


def not_a_file(path: str, found: Entry) -> FileNotInImage:
    """Return the error that says that *path* leads to *found*, which is not a regular file."""
    return FileNotInImage(f"{absolute(path)} is a {found.kind}, not a regular file")
