"""The interface between an image and the place its bytes come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_alpine.errors import ImageError
    from pytest_alpine.image.access import Access
    from pytest_alpine.image.blobs.layer import Layer
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference


class ImageSource(Protocol):
    """One image for one platform. The methods may be called many times."""

    @property
    def reference(self) -> Reference:
        """The reference that led here."""
        ...

    @property
    def platform(self) -> Platform:
        """The platform that was requested or chosen."""
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
    """A place that images come from: a module with these two functions. ``image/open.py`` registers it."""

    def published(self, reference: Reference, access: Access) -> tuple[Platform, ...]:
        """Return the platforms that *reference* exists for.

        Raises:
            ImageNotFound: there is no such image.
            ImageError: the place cannot be read.
        """
        ...

    def open_source(self, reference: Reference, platform: Platform, access: Access) -> ImageSource:
        """Return the image *reference* for *platform*.

        Raises:
            ImageNotFound: there is no such image.
            PlatformNotFound: it is not published for *platform*; the message lists those it is published for.
            ImageError: the place cannot be read, or what it holds is broken.
        """
        ...


def not_published(
    reference: Reference | str, platform: Platform, published: Iterable[Platform], broken: Sequence[ImageError] = ()
) -> str:
    """Return the message of PlatformNotFound; *broken* tells why other entries of the index cannot be read."""
    there = ", ".join(map(str, published)) or "none"
    more = f"; not readable: {broken[0]}" if broken else ""
    return f"{reference} is not published for {platform} (published: {there}{more})"
