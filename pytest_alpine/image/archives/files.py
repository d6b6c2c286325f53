"""The files of an image on disk: in a folder, or in a tar that may be compressed. They are read in any order."""

from __future__ import annotations

import io
import os
import posixpath
import stat
import weakref
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from pytest_alpine.errors import ImageError, ImageNotFound, MalformedImage
from pytest_alpine.image.blobs.compression import decompressed
from pytest_alpine.image.spec.documents import DOCUMENT_LIMIT
from pytest_alpine.image.store.incoming import incoming_file, store_errors
from pytest_alpine.rootfs.file_part import FilePart
from pytest_alpine.rootfs.tar import BLOCK, members

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_alpine.image.blobs.layer import ByteStream

_PIECE: Final = 1 << 20
# `docker save` writes a layer once; other uses of it are links.
_MAX_LINKS: Final = 8


class Files(Protocol):
    """Files by name. Names are relative, with ``/`` between their parts."""

    @property
    def where(self) -> str:
        """What messages call the folder or archive."""
        ...

    def size(self, name: str) -> int | None:
        """Return the bytes of the file *name*, or None where there is none."""
        ...

    def open(self, name: str) -> AbstractContextManager[ByteStream]:
        """Open the file *name*; every call opens it anew.

        Raises:
            MalformedImage: there is no such file.
        """
        ...


def read_document(files: Files, name: str) -> bytes:
    """Return the bytes of the file *name*, a document of JSON.

    Raises:
        MalformedImage: there is no such file, it is too large for a document, or the archive was truncated meanwhile.
    """
    size = files.size(name)
    if size is not None and size > DOCUMENT_LIMIT:
        raise MalformedImage(f"{files.where}: {name} has {size} bytes (expected a document, at most {DOCUMENT_LIMIT})")
    with files.open(name) as stream:
        pieces = []
        while piece := stream.read(_PIECE):
            pieces.append(piece)
    return b"".join(pieces)


class Folder:
    """The files of a folder."""

    def __init__(self, root: Path, where: str) -> None:
        self._root = root
        self.where = where

    def size(self, name: str) -> int | None:
        """Return the bytes of the file *name*, or None where there is none."""
        try:
            found = (self._root / name).stat()
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    @contextmanager
    def open(self, name: str) -> Iterator[ByteStream]:
        """Open the file *name*."""
        try:
            descriptor = os.open(self._root / name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise MalformedImage(f"{self.where}: cannot read {name}: {error.strerror or error}") from error
        with closing(FilePart(descriptor, close=True, where=f"{self.where}, {name}")) as stream:
            yield stream


class Archive:
    """The files of a tar. Its headers are read once; then each file is read at its offset."""

    def __init__(self, path: Path, where: str, scratch: Path) -> None:
        """Read the headers of the tar at *path*; a compressed one is decompressed in the folder *scratch* first.

        Raises:
            ImageNotFound: there is no file at *path*.
            MalformedImage: it is no tar, or a truncated one.
            StoreError: *scratch* cannot be written.
            ImageError: it cannot be read.
        """
        self.where = where
        self._descriptor = _open_plain(path, where, scratch)
        # The file stays open as long as a layer refers to it: a scratch file has no name by which to open it again.
        weakref.finalize(self, os.close, self._descriptor)
        self._members, self._links = _index(self._descriptor, where)

    def size(self, name: str) -> int | None:
        """Return the bytes of the file *name*, or None where there is none."""
        found = self._find(name)
        return None if found is None else found[1]

    @contextmanager
    def open(self, name: str) -> Iterator[ByteStream]:
        """Open the file *name*."""
        found = self._find(name)
        if found is None:
            raise MalformedImage(f"{self.where}: {name} is named, but is not in the archive")
        with closing(FilePart(self._descriptor, *found, where=self.where)) as stream:
            yield stream

    def _find(self, name: str) -> tuple[int, int] | None:
        for _ in range(_MAX_LINKS):
            if name in self._members:
                return self._members[name]
            name = self._links.get(name, "")
        return None


def _open_plain(path: Path, where: str, scratch: Path) -> int:
    descriptor = _open_file(path, where)
    try:
        if not _is_compressed(descriptor, where):
            return os.dup(descriptor)
        return _unpacked(descriptor, where, scratch)
    finally:
        os.close(descriptor)


def _open_file(path: Path, where: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ImageNotFound(f"{where}: no such file") from error
    except OSError as error:
        raise ImageError(f"{where}: cannot read it: {error.strerror or error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MalformedImage(f"{where}: not a regular file (expected a tar archive)")
    return descriptor


def _is_compressed(descriptor: int, where: str) -> bool:
    head = FilePart(descriptor, where=where).read(BLOCK)
    with decompressed(FilePart(descriptor, where=where), where) as plain:
        return not head.startswith(plain.read(BLOCK))


def _unpacked(descriptor: int, where: str, scratch: Path) -> int:
    with incoming_file(scratch) as incoming, decompressed(FilePart(descriptor, where=where), where) as plain:
        while piece := plain.read(_PIECE):
            with store_errors(incoming.path):
                incoming.stream.write(piece)
        with store_errors(incoming.path):
            incoming.stream.flush()
            return os.open(incoming.path, os.O_RDONLY | os.O_CLOEXEC)


def _index(descriptor: int, where: str) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
    """Return the offset and size of every file by name, and what every link leads to."""
    found: dict[str, tuple[int, int]] = {}
    links: dict[str, str] = {}
    with closing(io.BufferedReader(FilePart(descriptor, where=where))) as stream:
        for member in members(stream, where):
            name = posixpath.normpath(member.name)
            if member.isreg():
                found[name] = (member.offset_data, member.size)
            elif member.issym() or member.islnk():
                links[name] = _target(name, member)
    return found, links


def _target(name: str, member: tarfile.TarInfo) -> str:
    folder = posixpath.dirname(name) if member.issym() else ""
    return posixpath.normpath(posixpath.join(folder, member.linkname))


if TYPE_CHECKING:
    _folder: type[Files] = Folder
    _archive: type[Files] = Archive
