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
"""As many links as Linux follows in one look-up (ELOOP)."""

Lookup = Callable[[str], Entry | None]
"""Returns what stands at exactly the path that it is given, or None. No directory of that path is a link."""


def follow(lookup: Lookup, path: str, *, last: bool = True) -> Entry | None:
    """Walk *path* from the root, and return what is found at its end, or None.

    Args:
        lookup: tells what stands at each step.
        path: where to go.
        last: whether a link in the last component is followed too.

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
    """A root filesystem that only has to say what stands at a path without links, what it reads, and what it holds."""

    @abstractmethod
    def lookup(self, path: str) -> Lookup:
        """Return the look-up for one walk along *path*."""

    @abstractmethod
    def read(self, path: str, limit: int | None = None) -> bytes:
        """Return the bytes of the regular file that *path* leads to, at most *limit* of them."""

    @abstractmethod
    def walk(self, top: str = "/") -> Iterator[Entry]:
        """Yield all entries at and below *top*, by path; below it, links are not followed."""

    def find(self, path: str) -> Entry | None:
        """Return what *path* leads to, links followed, or None.

        Raises:
            FileNotInImage: *path* leads round in a loop of links.
        """
        return follow(self.lookup(path), path)

    def exists(self, path: str) -> bool:
        """Whether *path* leads to anything, links followed."""
        try:
            return self.find(path) is not None
        except FileNotInImage:
            return False

    def stat(self, path: str) -> Entry:
        """Return what *path* leads to, links followed.

        Raises:
            FileNotInImage: *path* leads nowhere.
        """
        found = self.find(path)
        if found is None:
            raise FileNotInImage(f"no such file or directory: {absolute(path)}")
        return found

    def lstat(self, path: str) -> Entry | None:
        """Return what stands at *path* itself: links in its directories are followed, the last one is not."""
        try:
            return follow(self.lookup(path), path, last=False)
        except FileNotInImage:
            return None

    def resolve(self, path: str) -> str:
        """Return the absolute path, free of links, that *path* leads to.

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
    """Return the error of *path*, which leads to *found* where a regular file was expected."""
    return FileNotInImage(f"{absolute(path)} is a {found.kind}, not a regular file")
