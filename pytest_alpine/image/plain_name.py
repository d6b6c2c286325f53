"""Plain names, such as ``alpine:3.22``: the engine's own store if it holds that platform, else the registry.

Engines resolve names in the same way. If no engine answers, only the registry is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.errors import EngineError, ImageError, ImageNotFound, PlatformNotFound
from pytest_alpine.image.daemon import source as daemon
from pytest_alpine.image.http.errors import Unreachable
from pytest_alpine.image.registry import source as registry
from pytest_alpine.image.spec.documents import digest_of

if TYPE_CHECKING:
    from pytest_alpine.image.access import Access
    from pytest_alpine.image.source import ImageSource
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference

# With these errors the other of the two places is asked.
_NOT_HERE = (ImageNotFound, PlatformNotFound, EngineError)


def published(reference: Reference, access: Access) -> tuple[Platform, ...]:
    """Return the platforms that the registry publishes, or those that the engine holds if the registry lacks the name.

    Raises:
        ImageNotFound: neither has it.
        ImageError: the registry refuses or fails, and the engine does not have it.
    """
    try:
        return registry.published(reference, access)
    except ImageError:
        try:
            return daemon.published(reference, access, access.connect)
        except _NOT_HERE:
            pass
        raise


def open_source(reference: Reference, platform: Platform, access: Access) -> ImageSource:
    """Return the image *reference* for *platform*; with the pull policy ``always``, the registry is asked first.

    Raises:
        ImageNotFound: neither the engine nor the registry has it.
        PlatformNotFound: it is not published for *platform*, nor does the engine hold it.
        ImageError: the registry refuses or fails, or the image is broken.
    """
    if access.pull == "always":
        return _registry_first(reference, platform, access)
    try:
        held = daemon.open_source(reference, platform, access, access.connect)
    except _NOT_HERE:
        return registry.open_source(reference, platform, access)
    return _as_published(held, access)


def _registry_first(reference: Reference, platform: Platform, access: Access) -> ImageSource:
    try:
        return registry.open_source(reference, platform, access)
    except Unreachable:
        raise  # the engine's image may be outdated
    except ImageError:
        try:
            return daemon.open_source(reference, platform, access, access.connect)
        except _NOT_HERE:
            pass
        raise


def _as_published(held: ImageSource, access: Access) -> ImageSource:
    """Return the same image as the registry published it, if the store knows its manifest.

    A classic engine store keeps no manifest of an image that it pulled, and so no compressed sizes.
    """
    if held.digest is None:
        known = registry.known_source(held.reference, held.platform, access)
        if known is not None and digest_of(known.raw_config()) == digest_of(held.raw_config()):
            return known
    return held
