"""The root filesystem of a container whose files are a folder of this machine.

The kernel must not follow links, because they could lead out of the folder. Each step opens one component, relative to
the descriptor of the directory before it, so that a container may move its directories meanwhile.
"""

from __future__ import annotations

import os
import posixpath
import stat as modes
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final

from pytest_alpine.errors import EngineError, FileNotInImage
from pytest_alpine.rootfs.base import KINDS, Entry, SeekableRootFS
from pytest_alpine.rootfs.lookup import Lookup, LookupRootFS

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEW_DIRECTORY: Final = 0o755
_STEP: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderRootFS(LookupRootFS):
    """A root filesystem below a directory. Keeps nothing: every call reads the present state."""

    def __init__(self, root: int, own: int, where: str) -> None:
        """Take over the two descriptors, which ``close`` closes.

        Args:
            root: a descriptor of the directory as the container sees it.
            own: a descriptor of the same directory without mounts.
            where: the name of the container in messages.
        """
        self._root = root
        self._own = own
        self._where = where

    def close(self) -> None:
        """Close the descriptors of the directory; a second call does nothing."""
        descriptors, self._root, self._own = {self._root, self._own}, -1, -1
        for descriptor in descriptors - {-1}:
            os.close(descriptor)

    def apart(self) -> FolderRootFS:
        """Return the same root filesystem without mounts; the caller closes it."""
        self._check()
        own = os.dup(self._own)
        return FolderRootFS(own, own, self._where)

    def read(self, path: str, limit: int | None = None) -> bytes:
        """Return the bytes of the regular file that *path* leads to, at most *limit* of them."""
        with self.open(path) as stream:
            return stream.read() if limit is None else stream.read(limit)

    def open(self, path: str) -> IO[bytes]:
        """Open the regular file that *path* leads to, for seeking and reading."""
        return os.fdopen(self._opened(self.stat_file(path).path, os.O_RDONLY), "rb")

    def lookup(self, path: str) -> Lookup:  # noqa: ARG002 - one look-up for all
        """Return the look-up for one walk along *path*."""
        return self._entry

    def walk(self, top: str = "/") -> Iterator[Entry]:
        """Yield all entries at and below *top*, sorted by path, without mounts."""
        start = self.stat(top)
        found = [start]
        if start.kind == "directory":
            with self._step(start.path, self._own) as descriptor:
                if descriptor is not None:
                    found += self._below(start.path, descriptor)
        found.sort(key=lambda entry: entry.path)
        yield from found

    def descriptor(self, path: str, flags: int) -> int:
        """Open the file or directory that *path* leads to, and return a descriptor, which the caller closes.

        Raises:
            FileNotInImage: *path* leads nowhere.
            EngineError: it cannot be opened.
        """
        return self._opened(self.stat(path).path, flags)

    def make_directory(self, path: str) -> str:
        """Create the directory *path* and those above it if they are missing, and return its path without links.

        Raises:
            EngineError: *path* is not a directory.
        """
        found = self.lstat(path)
        if found is None:
            parent = self.make_directory(posixpath.dirname(path))
            name = posixpath.basename(path)
            with self._errors(f"make {path}"), self._step(parent, self._root) as descriptor:
                os.mkdir(name, dir_fd=descriptor)
                os.chmod(name, _NEW_DIRECTORY, dir_fd=descriptor)
            return posixpath.join(parent, name)
        with suppress(FileNotInImage):
            found = self.stat(path)
        if found.kind != "directory":
            raise EngineError(f"cannot make the directory {path} in {self._where}: there is a {found.kind}")
        return found.path

    def write(self, path: str, data: bytes, *, mode: int, uid: int, gid: int) -> None:
        """Write *data* to the file at *path*, which must not be a link. Only a new file gets *uid* and *gid*.

        Raises:
            EngineError: the file cannot be written.
        """
        folder, name = posixpath.split(path)
        parent = self.make_directory(folder)
        here = self.lstat(posixpath.join(parent, name))
        if here is not None and here.kind == "symlink":
            raise EngineError(f"cannot write {path} in {self._where}: it is a link to nothing")
        with self._errors(f"write {path}"):
            try:
                descriptor = self._opened(posixpath.join(parent, name), os.O_WRONLY | os.O_TRUNC)
            except FileNotInImage:
                with self._step(parent, self._root) as above:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                    descriptor = os.open(name, flags, 0o600, dir_fd=above)
                if os.geteuid() == 0:
                    os.fchown(descriptor, uid, gid)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fchmod(descriptor, mode)  # a write may remove setuid and setgid

    def _entry(self, path: str) -> Entry | None:
        with self._step(path, self._root) as descriptor:
            if descriptor is None:
                return None
            state = os.fstat(descriptor)
            return _entry(path, state, _target(path, descriptor) if modes.S_ISLNK(state.st_mode) else "")

    def _below(self, folder: str, step: int) -> Iterator[Entry]:
        descriptor = self._reopened(step, folder, os.O_RDONLY)
        try:
            with os.scandir(descriptor) as found:
                for item in found:
                    with suppress(FileNotFoundError):  # removed meanwhile
                        yield from self._with_below(posixpath.join(folder, item.name), item, descriptor)
        finally:
            os.close(descriptor)

    def _with_below(self, path: str, item: os.DirEntry[str], above: int) -> Iterator[Entry]:
        state = item.stat(follow_symlinks=False)
        entry = _entry(path, state, os.readlink(item.name, dir_fd=above) if modes.S_ISLNK(state.st_mode) else "")
        if entry is None:
            return
        yield entry
        if entry.kind == "directory":
            step = os.open(item.name, _STEP, dir_fd=above)
            try:
                yield from self._below(path, step)
            finally:
                os.close(step)

    def _check(self) -> None:
        if self._root < 0:
            raise EngineError(f"{self._where} was stopped: its files are gone")

    @contextmanager
    def _step(self, path: str, root: int) -> Iterator[int | None]:
        """Open the entry at *path* without following links; yields None if there is none."""
        self._check()
        here = os.dup(root)
        try:
            for part in path.split("/"):
                if part:
                    below = os.open(part, _STEP, dir_fd=here)
                    os.close(here)
                    here = below
        except (FileNotFoundError, NotADirectoryError):
            os.close(here)
            here = -1
        except OSError as error:
            os.close(here)
            raise EngineError(f"cannot look at {path} in {self._where}: {error.strerror}") from error
        try:
            yield here if here >= 0 else None
        finally:
            if here >= 0:
                os.close(here)

    def _opened(self, path: str, flags: int) -> int:
        with self._step(path, self._root) as step:
            if step is None:
                raise FileNotInImage(f"no such file or directory: {path}")
            return self._reopened(step, path, flags)

    def _reopened(self, step: int, path: str, flags: int) -> int:
        """Open the file of the descriptor *step* for reading or writing."""
        with self._errors(f"open {path}"):
            return os.open(f"/proc/self/fd/{step}", flags | os.O_CLOEXEC | os.O_NONBLOCK)

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EngineError(f"cannot {doing} in {self._where}: {(error.strerror or str(error)).lower()}") from error


def _target(path: str, descriptor: int) -> str:
    try:
        return os.readlink("", dir_fd=descriptor)
    except FileNotFoundError:  # /proc/self exists for processes of the container only; the first process is used
        return "1" if posixpath.basename(path) == "self" else "1/task/1"


def _entry(path: str, state: os.stat_result, target: str) -> Entry | None:
    kind = KINDS.get(modes.S_IFMT(state.st_mode))
    if kind is None:  # a socket, which archives and images do not contain
        return None
    return Entry(
        path=path,
        kind=kind,
        mode=modes.S_IMODE(state.st_mode),
        uid=state.st_uid,
        gid=state.st_gid,
        size=state.st_size if kind == "file" else 0,
        target=target,
        # There is no layer, so that the inode stands for the offset: hard links to one file share it.
        offset=state.st_ino if kind == "file" else -1,
        capabilities=None if kind == "file" else "",  # an ordinary user cannot unpack them
    )


if TYPE_CHECKING:
    _: type[SeekableRootFS] = FolderRootFS
