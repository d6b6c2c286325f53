"""The one door to every image: which transport reads which reference."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from pytest_alpine.errors import PlatformNotFound
from pytest_alpine.image.access import Access
from pytest_alpine.image.image import Image
from pytest_alpine.platforms import Platform
from pytest_alpine.reference import Reference

if TYPE_CHECKING:
    from pytest_alpine.image.source import ImageSource, Transport

# Loaded on first use: most suites need one of them, and some import heavy libraries.
_TRANSPORTS: Final = {
    "": "pytest_alpine.image.plain_name",
    "registry": "pytest_alpine.image.registry.source",
    "docker-daemon": "pytest_alpine.image.daemon.source",
    "docker-archive": "pytest_alpine.image.archives.docker_archive",
    "oci": "pytest_alpine.image.archives.oci",
    "oci-archive": "pytest_alpine.image.archives.oci",
    "minirootfs": "pytest_alpine.image.minirootfs.source",
}


def transport(reference: Reference) -> Transport:
    """Return what reads *reference*."""
    return cast("Transport", import_module(_TRANSPORTS[reference.transport]))


def open_image(
    reference: str | Reference, platform: str | Platform | None = None, *, access: Access | None = None
) -> Image:
    """Return the image *reference* for *platform*. It is read; no container runs.

    Args:
        reference: a name (``alpine:3.22``) or a transport and what it takes (``oci-archive:app.tar``).
        platform: any spelling of a platform. When None: the machine's own, or the only published one.
        access: what several images share: the store that keeps their layers, and what their tags lead to. When None,
            this image has its own, with the store in the user's cache folder.

    Raises:
        InvalidReference: *reference* cannot be read.
        InvalidPlatform: *platform* cannot be read.
        ImageNotFound: there is no such image.
        PlatformNotFound: the image is not published for *platform*.
        ImageError: the image cannot be fetched, or breaks its specification.
    """
    named = Reference.parse(reference) if isinstance(reference, str) else reference
    wanted = Platform.parse(platform) if isinstance(platform, str) else platform
    access = access or Access()
    source = _native_or_only(named, access) if wanted is None else transport(named).open_source(named, wanted, access)
    return Image(source, access)


def published_platforms(reference: str | Reference, *, access: Access | None = None) -> tuple[Platform, ...]:
    """Return the platforms that *reference* is published for, attestations left out.

    With the same *access*, ``open_image`` returns the very images that were listed, even where the tag moves meanwhile.

    Raises:
        InvalidReference: *reference* cannot be read.
        ImageNotFound: there is no such image.
        ImageError: the place cannot be read.
    """
    named = Reference.parse(reference) if isinstance(reference, str) else reference
    return transport(named).published(named, access or Access())


def _native_or_only(reference: Reference, access: Access) -> ImageSource:
    place = transport(reference)
    try:
        return place.open_source(reference, Platform.native(), access)
    except PlatformNotFound:
        published = place.published(reference, access)
        if len(published) != 1:
            raise
        return place.open_source(reference, published[0], access)
