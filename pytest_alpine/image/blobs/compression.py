"""Compressed streams. Their first bytes tell the format, never their names.

Specs: RFC 1952 (gzip), RFC 8878 (zstd), https://tukaani.org/xz/xz-file-format.txt, and bzip2, which has none.
"""

from __future__ import annotations

import re
import zlib
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from pytest_alpine.errors import ImageError, MalformedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_alpine.image.blobs.layer import ByteStream

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
# Skippable frames, which zstd:chunked layers hold, are numbered 0 to 15 in the low half of the first byte.
_ZSTD_SKIPPABLE: Final = b"\x2a\x4d\x18"
_XZ: Final = b"\xfd7zXZ\x00"
# A tar begins with a file's name, which may be "BZh1": the first block's own magic number tells bzip2.
_BZIP2: Final = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_MAGIC: Final = 10  # bytes of the longest of these
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS  # zlib's way to ask for gzip's header and checksum

# Decompressed, a piece of input is at most 1032 times as large with gzip, and 32768 times with zstd. With these sizes
# the output of one piece stays below 300 MB, and so does the memory that a hostile blob can claim.
_GZIP_PIECE: Final = 1 << 18
_ZSTD_SLICE: Final = 1 << 12
# Other threads hash each piece of input and of output. Larger pieces take less of their time than one slice at a time.
_ZSTD_PIECE: Final = 1 << 16
_ZSTD_OUTPUT: Final = 1 << 18
# With xz and bzip2 a few bytes may stand for gigabytes; but both give their output in pieces.
_PIECE: Final = 1 << 18
_OUTPUT: Final = 1 << 20
_XZ_MEMORY: Final = 256 << 20  # four times what the strongest preset of xz takes

_WAY_OUT: Final = "; it was damaged or cut on its way: fetch it again"


class _Decompressor(Protocol):
    """One member or frame, as zlib and zstandard both offer it."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _InPieces(Protocol):
    """One stream, as lzma and bz2 both offer it."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _BrokenError(Exception):
    """The data of a member is broken."""


class _Bounded:
    """One member of xz or bzip2, whose output comes in pieces."""

    def __init__(self, member: _InPieces, broken: type[Exception]) -> None:
        """Read from *member*, which raises *broken* where its data is."""
        self._member = member
        self._broken = broken

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data

    @property
    def has_more(self) -> bool:
        """Whether there is more output for the input so far."""
        return not (self._member.eof or self._member.needs_input)

    def decompress(self, data: bytes, /) -> bytes:
        try:
            return self._member.decompress(data, _OUTPUT)
        except self._broken as error:
            raise _BrokenError(str(error)) from error


class _Sliced:
    """One frame of zstd, which takes its input in slices until there is enough output."""

    def __init__(self, frame: _Decompressor) -> None:
        self._frame = frame
        self._input = b""
        self._place = 0

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data + self._input[self._place :]

    @property
    def has_more(self) -> bool:
        """Whether a part of the input is left for the next call."""
        return self._place < len(self._input) and not self._frame.eof

    def decompress(self, data: bytes, /) -> bytes:
        """Return output for what is left of the input, which *data* replaces where nothing is left."""
        if data:
            self._input, self._place = data, 0
        plain: list[bytes] = []
        size = 0
        while self.has_more and size < _ZSTD_OUTPUT:
            end = self._place + _ZSTD_SLICE
            plain.append(self._frame.decompress(self._input[self._place : end]))
            self._place = min(end, len(self._input))
            size += len(plain[-1])
        return b"".join(plain)


class _Peeked:
    """A byte stream with its first bytes put back."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.head = b""
        while len(self.head) < _MAGIC and (more := stream.read(_MAGIC - len(self.head))):
            self.head += more

    def read(self, size: int = -1, /) -> bytes:
        data, self.head = self.head, b""
        return data or self._stream.read(size)


class _Decompressed:
    """The plain bytes of a sequence of compressed members."""

    def __init__(self, stream: ByteStream, start: Callable[[], _Decompressor], piece: int) -> None:
        self._stream = stream
        self._start = start
        self._piece = piece
        self._member = start()
        self._plain = b""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes; none at the end."""
        while not self._plain and (data := self._compressed()) is not None:
            self._plain = self._member.decompress(data)
        if size < 0 or len(self._plain) <= size:
            data, self._plain = self._plain, b""
        else:
            data, self._plain = self._plain[:size], self._plain[size:]
        return data

    def _compressed(self) -> bytes | None:
        """Return the next compressed bytes, of a new member where the last one has ended; None at the end."""
        if isinstance(self._member, (_Bounded, _Sliced)) and self._member.has_more:
            return b""
        if not self._member.eof:
            data = self._stream.read(self._piece)
            if not data:
                raise EOFError("it ends in the middle")
            return data
        # Tools pad the last member with zeros up to the size of a block.
        data = self._member.unused_data.lstrip(b"\0")
        while not data and (more := self._stream.read(self._piece)):
            data = more.lstrip(b"\0")
        if not data:
            return None
        self._member = self._start()
        return data


def _zstd_frame() -> _Decompressor:
    import zstandard

    return _Sliced(zstandard.ZstdDecompressor().decompressobj())


def _xz_stream() -> _Decompressor:
    import lzma

    return _Bounded(lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY), lzma.LZMAError)


def _bzip2_stream() -> _Decompressor:
    import bz2

    return _Bounded(bz2.BZ2Decompressor(), OSError)


def _gzip_member() -> _Decompressor:
    return zlib.decompressobj(_GZIP_WINDOW)


@contextmanager
def decompressed(stream: ByteStream, where: str) -> Iterator[ByteStream]:
    """Open the plain bytes of *stream*, which may be compressed; a read may return fewer bytes than it is asked for.

    Raises:
        MalformedImage: the compressed data is broken or truncated; the message begins with *where*.
    """
    peeked = _Peeked(stream)
    if peeked.head.startswith(_GZIP):
        with _gzip_errors(where):
            yield _Decompressed(peeked, _gzip_member, _GZIP_PIECE)
    elif peeked.head.startswith(_ZSTD) or peeked.head[1:4] == _ZSTD_SKIPPABLE:
        with _zstd_errors(where):
            yield _Decompressed(peeked, _zstd_frame, _ZSTD_PIECE)
    elif peeked.head.startswith(_XZ):
        with _other_errors(where, "xz", "lzma"):
            yield _Decompressed(peeked, _xz_stream, _PIECE)
    elif _BZIP2.match(peeked.head):
        with _other_errors(where, "bzip2", "bz2"):
            yield _Decompressed(peeked, _bzip2_stream, _PIECE)
    else:
        yield peeked


@contextmanager
def _gzip_errors(where: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error) as error:
        # zlib's own words begin with a number: "Error -3 while decompressing data: incorrect data check".
        reason = str(error).rpartition("decompressing data: ")[2]
        raise MalformedImage(f"{where}: broken gzip data: {reason}{_WAY_OUT}") from error


@contextmanager
def _zstd_errors(where: str) -> Iterator[None]:
    import zstandard

    try:
        yield
    except (EOFError, zstandard.ZstdError) as error:
        raise MalformedImage(f"{where}: broken zstd data: {error}{_WAY_OUT}") from error


@contextmanager
def _other_errors(where: str, name: str, module: str) -> Iterator[None]:
    try:
        import_module(module)
    except ImportError as error:  # an optional part of Python
        raise ImageError(f"{where}: compressed with {name}, but this Python has no module {module!r}") from error
    try:
        yield
    except (EOFError, _BrokenError) as error:
        raise MalformedImage(f"{where}: broken {name} data: {error}{_WAY_OUT}") from error
