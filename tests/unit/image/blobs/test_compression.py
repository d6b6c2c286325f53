"""Compressed streams: told by their bytes, whole or refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import sys
from typing import TYPE_CHECKING

import pytest
import zstandard

from pytest_alpine.errors import ImageError, MalformedImage
from pytest_alpine.image.blobs.compression import decompressed

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = random.Random(1).randbytes(300_000) + bytes(2_000_000)
GZIP = gzip.compress(DATA, mtime=0)
ZSTD = zstandard.ZstdCompressor().compress(DATA)
XZ = lzma.compress(DATA)
BZIP2 = bz2.compress(DATA)
SKIPPABLE = b"\x57\x2a\x4d\x18\x04\x00\x00\x00meta"


class Dribble:
    """A stream that gives few bytes at a time, as a slow connection does."""

    def __init__(self, data: bytes, most: int) -> None:
        self._stream = io.BytesIO(data)
        self._most = most

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(self._most if size < 0 else min(size, self._most))


def plain(data: bytes, most: int = 1 << 30, piece: int = 1 << 16) -> bytes:
    found = []
    with decompressed(Dribble(data, most), "layer 0") as stream:
        while got := stream.read(piece):
            assert len(got) <= piece
            found.append(got)
    return b"".join(found)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (DATA, DATA),
        (b"", b""),
        (b"\x1f", b"\x1f"),
        (GZIP, DATA),
        (GZIP + gzip.compress(b"more"), DATA + b"more"),
        (GZIP + bytes(10_000), DATA),
        (gzip.compress(b""), b""),
        (ZSTD, DATA),
        (ZSTD + ZSTD, DATA + DATA),
        (SKIPPABLE + ZSTD + SKIPPABLE, DATA),
        (zstandard.ZstdCompressor().compress(b""), b""),
        (XZ, DATA),
        (XZ + bytes(8) + XZ, DATA + DATA),
        (lzma.compress(b""), b""),
        (BZIP2, DATA),
        (BZIP2 + BZIP2, DATA + DATA),
        (bz2.compress(b""), b""),
        (b"BZh1" + bytes(508), b"BZh1" + bytes(508)),
    ],
    ids=[
        "plain",
        "empty",
        "one-byte",
        "gzip",
        "gzip-members",
        "gzip-padded",
        "gzip-of-nothing",
        "zstd",
        "zstd-frames",
        "zstd-skippable-frames",
        "zstd-of-nothing",
        "xz",
        "xz-padded-streams",
        "xz-of-nothing",
        "bzip2",
        "bzip2-streams",
        "bzip2-of-nothing",
        "tar-of-a-file-BZh1",
    ],
)
@pytest.mark.parametrize("most", [1 << 30, 1001], ids=["at-once", "in-dribs"])
def test_plain_bytes(data: bytes, expected: bytes, most: int) -> None:
    assert plain(data, most) == expected


def test_single_bytes() -> None:
    data = gzip.compress(b"ash") + gzip.compress(b"musl")
    assert plain(data, most=1, piece=1) == b"ashmusl"


def test_everything_at_once() -> None:
    with decompressed(io.BytesIO(GZIP), "layer 0") as stream:
        found = b""
        while got := stream.read():
            found += got
    assert found == DATA


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            GZIP[:-1],
            "layer 0: broken gzip data: it ends in the middle; it was damaged or cut on its way: fetch it again",
        ),
        (
            GZIP[:20],
            "layer 0: broken gzip data: it ends in the middle; it was damaged or cut on its way: fetch it again",
        ),
        (
            GZIP[:3],
            "layer 0: broken gzip data: it ends in the middle; it was damaged or cut on its way: fetch it again",
        ),
        (GZIP[:-8] + b"\0\0\0\0" + GZIP[-4:], "layer 0: broken gzip data: incorrect data check; it was"),
        (GZIP + b"garbage", "layer 0: broken gzip data: incorrect header check; it was"),
        (
            ZSTD[:-1],
            "layer 0: broken zstd data: it ends in the middle; it was damaged or cut on its way: fetch it again",
        ),
        (
            ZSTD[:5],
            "layer 0: broken zstd data: it ends in the middle; it was damaged or cut on its way: fetch it again",
        ),
        (
            ZSTD + ZSTD[:9],
            "layer 0: broken zstd data: it ends in the middle; it was damaged or cut on its way: fetch it again",
        ),
        (ZSTD[:100] + bytes([ZSTD[100] ^ 255]) + ZSTD[101:200], "layer 0: broken zstd data: "),
        (ZSTD + b"garbage", "layer 0: broken zstd data: "),
        (XZ[:-1], "layer 0: broken xz data: it ends in the middle; it was damaged or cut on its way: fetch it again"),
        (XZ[:99] + bytes([XZ[99] ^ 255]) + XZ[100:], "layer 0: broken xz data: Corrupt input data; it was"),
        (XZ + b"garbage" * 9, "layer 0: broken xz data: Input format not supported by decoder; it was"),
        (BZIP2[:-1], "layer 0: broken bzip2 data: it ends in the middle; it was damaged or cut on its way: fetch it"),
        (BZIP2[:99] + bytes([BZIP2[99] ^ 255]) + BZIP2[100:], "layer 0: broken bzip2 data: Invalid data stream; it"),
    ],
    ids=[
        "gzip-one-byte-short",
        "gzip-cut",
        "gzip-cut-in-header",
        "gzip-wrong-checksum",
        "gzip-and-garbage",
        "zstd-one-byte-short",
        "zstd-cut",
        "zstd-second-frame-cut",
        "zstd-flipped",
        "zstd-and-garbage",
        "xz-one-byte-short",
        "xz-flipped",
        "xz-and-garbage",
        "bzip2-one-byte-short",
        "bzip2-flipped",
    ],
)
def test_broken_data(data: bytes, message: str) -> None:
    with pytest.raises(MalformedImage) as caught:
        plain(data)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["xz", "bzip2"])
def test_a_python_without_the_module(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, data = {"xz": ("lzma", XZ), "bzip2": ("bz2", BZIP2)}[name]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImageError) as caught:
        plain(data)
    assert str(caught.value) == f"layer 0: compressed with {name}, but this Python has no module {module!r}"


@pytest.mark.parametrize(
    "compress",
    [zstandard.ZstdCompressor().compress, lambda data: lzma.compress(data, preset=0), bz2.compress],
    ids=["zstd", "xz", "bzip2"],
)
def test_memory_is_bounded_whatever_the_data_claims(compress: Callable[[bytes], bytes]) -> None:
    """Some kilobytes stand for a quarter of a gigabyte; a reader that asks for little gets it in pieces."""
    bomb = compress(bytes(1 << 28))
    assert len(bomb) < 100_000
    with decompressed(io.BytesIO(bomb), "layer 0") as stream:
        pieces = [len(stream.read()) for _ in range(3)]
    assert max(pieces) <= 1 << 27
