"""A layer as its source holds it, and its bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class ByteStream(Protocol):
    """Bytes, read in order."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes; none at the end."""
        ...


Opener = Callable[[], AbstractContextManager[ByteStream]]
"""Opens the bytes anew at every call; the caller closes them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One layer as its source holds it, compressed or not."""

    open: Opener
    """Opens the layer's bytes as stored. The reader checks them against the digests."""
    where: str
    """What messages call it, such as ``alpine:3.22, layer 0``."""
    digest: str | None = None
    """Digest of the bytes as stored, if the source names one."""
    diff_id: str | None = None
    """Digest of the uncompressed tar, if it is known before the bytes are read."""
    size: int | None = None
    """Bytes as stored; None if the source holds no layer blobs."""
