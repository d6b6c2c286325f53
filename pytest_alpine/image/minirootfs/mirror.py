"""The files of an Alpine mirror, and a mirror in a folder; ``web_mirror.py`` has mirrors behind HTTP.

Spec: the tree that https://wiki.alpinelinux.org/wiki/How_to_setup_a_Alpine_Linux_mirror copies.
"""

from __future__ import annotations

import os
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from pytest_alpine.errors import ImageError, ImageNotFound
from pytest_alpine.rootfs.file_part import FilePart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_alpine.image.blobs.layer import ByteStream

TEXT_LIMIT: Final = 1 << 20
"""Bytes of a release file or listing; no more are read."""

_FRESH: Final = 2.0  # seconds in which a file may change again and keep its time stamp


class Mirror(Protocol):
    """A tree of files; paths are relative to its top."""

    def where(self, path: str) -> str:
        """Return what messages call the file at *path*."""
        ...

    def read(self, path: str) -> str | None:
        """Return the small text file at *path*, or None where there is none."""
        ...

    def names(self, path: str) -> list[str] | None:
        """Return the names in the folder *path*, or None where there is no such folder, or no list of it."""
        ...

    def size(self, path: str) -> int | None:
        """Return the bytes of the file at *path*, or None if there is none, or its size is unknown."""
        ...

    def stamp(self, path: str) -> str | None:
        """Return a text that changes with the content of the file at *path*, or None if there is none."""
        ...

    def open(self, path: str, *, size: int | None, what: str) -> AbstractContextManager[ByteStream]:
        """Open the file at *path*; *size*, in bytes, and *what* it is are for progress reports.

        Raises:
            ImageNotFound: there is none.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderMirror:
    """A mirror in a folder of this machine."""

    root: Path

    def where(self, path: str) -> str:
        """Return the file's path."""
        return str(self.root / path)

    def read(self, path: str) -> str | None:
        """Return the small text file at *path*, or None where there is none."""
        try:
            with (self.root / path).open("rb") as stream:
                return stream.read(TEXT_LIMIT).decode(errors="replace")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise ImageError(f"cannot read {self.root / path}: {error.strerror}") from error

    def names(self, path: str) -> list[str] | None:
        """Return the names in the folder *path*, or None where there is no such folder."""
        try:
            return sorted(entry.name for entry in (self.root / path).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ImageError(f"cannot read {self.root / path}: {error.strerror}") from error

    def size(self, path: str) -> int | None:
        """Return the bytes of the file at *path*, or None where there is none."""
        try:
            return (self.root / path).stat().st_size
        except OSError:
            return None

    def stamp(self, path: str) -> str | None:
        """Return the file's identity and when it was last written; None if that was a moment ago."""
        try:
            found = (self.root / path).stat()
        except OSError:
            return None
        # Two writes within one tick of the file system's clock have the same time stamp.
        if time.time() - found.st_mtime < _FRESH:
            return None
        return f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns}"

    @contextmanager
    def open(self, path: str, *, size: int | None, what: str) -> Iterator[ByteStream]:  # noqa: ARG002 - reports of the network
        """Open the file at *path*."""
        try:
            descriptor = os.open(self.root / path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise ImageNotFound(f"{what}: no such file: {self.root / path}") from error
        except OSError as error:
            raise ImageError(f"cannot read {self.root / path}: {error.strerror}") from error
        with closing(FilePart(descriptor, close=True, where=str(self.root / path))) as stream:
            yield stream
