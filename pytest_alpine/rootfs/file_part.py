"""Parts of files: the contents of a tar's members, read in place."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

from pytest_alpine.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WAY_OUT: Final = "read the image anew"


def read_part(path: Path, offset: int, length: int) -> bytes:
    """Return the *length* bytes at *offset* of the file *path*.

    Raises:
        ImageError: the file is gone, or has become shorter.
    """
    with _part_errors(path):
        # Checks read the first bytes of every file of an image: half the time of a buffered file object.
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
    """Open the *length* bytes at *offset* of the file *path* as a file of their own.

    Raises:
        ImageError: the file is gone.
    """
    with _part_errors(path):
        return io.BufferedReader(_Part(path.open("rb", buffering=0), offset, length))


class _Part(io.RawIOBase):
    """A part of a file, as a file of its own."""

    def __init__(self, whole: io.FileIO, offset: int, length: int) -> None:
        self._whole = whole
        self._offset = offset
        self._length = length
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._length}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # typeshed's Buffer has no length
        self._whole.seek(self._offset + self._place)
        count = max(0, min(len(buffer), self._length - self._place))
        read = self._whole.readinto(memoryview(buffer)[:count]) or 0  # a slice of a bytearray would be a copy
        self._place += read
        return read

    def close(self) -> None:
        self._whole.close()
        super().close()


@contextmanager
def _part_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ImageError(f"cannot read layer {path}: {error.strerror or error}; {_WAY_OUT}") from error
