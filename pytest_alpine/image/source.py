"""The seam between an image and where its bytes come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytest_alpine.image.store import Store
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference


class ByteStream(Protocol):
    """Bytes, read in order."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes; none at the end."""
        ...


Opener = Callable[[], AbstractContextManager[ByteStream]]
"""Opens the bytes anew at every call; whoever opens closes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One layer as its source holds it, compressed or not."""

    open: Opener
    """Opens the layer's bytes as stored. They are checked against the digests while they are read."""
    where: str
    """What messages call it, such as ``alpine:3.22, layer 0``."""
    digest: str | None = None
    """Digest of the bytes as stored, where the source names one."""
    diff_id: str | None = None
    """Digest of the uncompressed tar, where it is known before the bytes are read."""
    size: int | None = None
    """Bytes as stored; None where the source holds no layer blobs."""


class ImageSource(Protocol):
    """One image for one platform. The methods may be called many times."""

    @property
    def reference(self) -> Reference:
        """The reference that led here."""
        ...

    @property
    def platform(self) -> Platform:
        """The platform that was asked for or chosen."""
        ...

    @property
    def digest(self) -> str | None:
        """The manifest's digest, where the source has manifests."""
        ...

    def raw_config(self) -> bytes:
        """Return the image's configuration, byte for byte."""
        ...

    def layers(self) -> Sequence[Layer]:
        """Return the layers, base first."""
        ...


class Transport(Protocol):
    """A place that images come from: a module with these two functions, registered in ``image/open.py``."""

    def published(self, reference: Reference, store: Store) -> tuple[Platform, ...]:
        """Return the platforms that *reference* exists for.

        Raises:
            ImageNotFound: there is no such image.
            ImageError: the place cannot be read.
        """
        ...

    def open_source(self, reference: Reference, platform: Platform, store: Store) -> ImageSource:
        """Return the image *reference* for *platform*.

        Raises:
            ImageNotFound: there is no such image.
            PlatformNotFound: it is not published for *platform*; the message lists those it is published for.
            ImageError: the place cannot be read, or what it holds is broken.
        """
        ...


def not_published(reference: Reference | str, platform: Platform, published: Sequence[Platform]) -> str:
    """Return the message of PlatformNotFound."""
    return f"{reference} is not published for {platform} (published: {', '.join(map(str, published)) or 'none'})"
