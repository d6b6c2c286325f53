"""Compressed streams: told by their bytes, whole or refused."""

from __future__ import annotations

import gzip
import io
import random

import pytest
import zstandard

from pytest_alpine.errors import MalformedImage
from pytest_alpine.image.blobs.compression import decompressed

DATA = random.Random(1).randbytes(300_000) + bytes(2_000_000)
GZIP = gzip.compress(DATA, mtime=0)
ZSTD = zstandard.ZstdCompressor().compress(DATA)
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
    ],
)
def test_broken_data(data: bytes, message: str) -> None:
    with pytest.raises(MalformedImage) as caught:
        plain(data)
    assert str(caught.value).startswith(message)


def test_memory_is_bounded_whatever_the_data_claims() -> None:
    """A few kilobytes of zstd stand for a gigabyte; a reader that asks for little gets it in pieces."""
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 30))
    assert len(bomb) < 100_000
    with decompressed(io.BytesIO(bomb), "layer 0") as stream:
        pieces = [len(stream.read()) for _ in range(3)]
    assert max(pieces) <= 1 << 27
