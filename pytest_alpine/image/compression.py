"""Compressed streams, told by their first bytes and never by their names.

Specs: RFC 1952 (gzip), RFC 8878 (zstd).
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final, cast

from pytest_alpine.errors import MalformedImage

if TYPE_CHECKING:
    from pytest_alpine.image.source import ByteStream

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
# Skippable frames, which zstd:chunked layers may begin with, are numbered 0 to 15 in the low half byte.
_ZSTD_SKIPPABLE: Final = b"\x2a\x4d\x18"
_BUFFER: Final = 1 << 18


class _Peeked(io.RawIOBase):
    """A byte stream with its first bytes put back."""

    def __init__(self, head: bytes, rest: ByteStream) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer has no length
        data = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def decompressed(stream: ByteStream, where: str) -> Iterator[ByteStream]:
    """Open the plain bytes of *stream*, which may be gzip, zstd or plain.

    Raises:
        MalformedImage: the compressed data is broken or truncated; the message begins with *where*.
    """
    head = b""
    while len(head) < 4 and (more := stream.read(4 - len(head))):  # noqa: PLR2004 - the longest magic number
        head += more
    peeked = io.BufferedReader(_Peeked(head, stream), _BUFFER)
    try:
        if head.startswith(_GZIP):
            with gzip.GzipFile(fileobj=peeked) as plain:
                yield plain
        elif head.startswith(_ZSTD) or head[1:4] == _ZSTD_SKIPPABLE:
            with _zstd(peeked) as plain_zstd:
                yield plain_zstd
        else:
            yield peeked
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise MalformedImage(f"{where}: broken gzip data: {error}") from error


@contextmanager
def _zstd(stream: IO[bytes] | io.BufferedReader) -> Iterator[ByteStream]:
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True) as plain:
            yield cast("ByteStream", plain)
    except zstandard.ZstdError as error:
        raise MalformedImage(f"broken zstd data: {error}") from error
