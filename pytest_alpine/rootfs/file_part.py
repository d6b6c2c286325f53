"""Parts of files, such as the contents of members of a tar, read without a copy."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

from pytest_alpine.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed import WriteableBuffer

_WAY_OUT: Final = "read the image anew"


def read_part(path: Path, offset: int, length: int) -> bytes:
    """Return the *length* bytes at *offset* of the file *path*.

    Raises:
        ImageError: the file was removed, or has become shorter.
    """
    with _part_errors(path):
        # Checks read the first bytes of every file of an image, and this takes half the time of a buffered file object.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(descriptor, length, offset)
            while len(data) < length and (more := os.pread(descriptor, length - len(data), offset + len(data))):
                data += more
        finally:
            os.close(descriptor)
    if len(data) < length:
        raise ImageError(f"{path} has become shorter: {len(data)} of {length} bytes at byte {offset}; {_WAY_OUT}")
    return data


def open_part(path: Path, offset: int, length: int) -> IO[bytes]:
    """Open the *length* bytes at *offset* of the file *path* as a separate file.

    Raises:
        ImageError: the file was removed.
    """
    with _part_errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return io.BufferedReader(FilePart(descriptor, offset, length, close=True))


class FilePart(io.RawIOBase):
    """A part of an open file, as a separate file. It has its own position, so that threads can share the open file."""

    def __init__(
        self, descriptor: int, offset: int = 0, size: int | None = None, *, close: bool = False, where: str = ""
    ) -> None:
        """Show *size* bytes from *offset* of the file *descriptor*.

        Args:
            descriptor: the descriptor of the whole file.
            offset: the first byte of the part.
            size: the length of the part in bytes; up to the end of the file when None.
            close: whether ``close`` also closes the descriptor.
            where: what messages call the file; errors of the disk stay OSErrors if it is empty.
        """
        self._descriptor = descriptor
        self._offset = offset
        self._size = os.fstat(descriptor).st_size - offset if size is None else size
        self._place = 0
        self._close = close
        self._where = where

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to *offset*, but not before the first byte."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read into *buffer*, and return the number of bytes; 0 at the end.

        Raises:
            ImageError: the disk fails.
        """
        with memoryview(buffer) as whole, whole[: max(0, self._size - self._place)] as room:
            try:
                count = os.preadv(self._descriptor, [room], self._offset + self._place)
            except OSError as error:
                if not self._where:
                    raise
                raise ImageError(f"cannot read {self._where}: {error.strerror or error}") from error
        self._place += count
        return count

    def close(self) -> None:
        """Close this part, and with ``close=True`` the descriptor."""
        if self._close and not self.closed:
            os.close(self._descriptor)
        super().close()


@contextmanager
def _part_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ImageError(f"cannot read layer {path}: {error.strerror or error}; {_WAY_OUT}") from error
