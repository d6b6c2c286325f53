"""``minirootfs:BASE[:TAG]``: Alpine's own root filesystems, from a mirror, its copy, or one tarball.

A root filesystem has no configuration; it gets the one of Docker's official image.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import ImageNotFound, PlatformNotFound
from pytest_alpine.image.access import Access, not_pulled
from pytest_alpine.image.blobs.layer import Layer
from pytest_alpine.image.minirootfs.mirror import FolderMirror, Mirror
from pytest_alpine.image.minirootfs.releases import (
    FLAVOR,
    LATEST,
    RELEASE_FILE,
    Release,
    find_release,
    find_tarball,
    tags_there,
    versions_there,
)
from pytest_alpine.image.source import ImageSource, not_published
from pytest_alpine.platforms import PLATFORMS, Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_alpine.reference import Reference

_SUFFIXES: Final = (".tar", ".tgz", ".tar.gz", ".tar.zst", ".tar.zstd")
_PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Registries write these variants; Platform leaves them out.
_VARIANTS: Final = {"arm64": "v8"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RootfsSource:
    """An image of one layer, a root filesystem."""

    reference: Reference
    platform: Platform
    layer: Layer
    access: Access

    @property
    def digest(self) -> None:
        """None: a root filesystem has no manifest."""
        return

    def raw_config(self) -> bytes:
        """Return the configuration, the same bytes for the same layer and platform."""
        return synthesised_config(self.platform, self.access.store.diff_id(self.layer, self.access.progress))

    def layers(self) -> Sequence[Layer]:
        """Return the one layer."""
        return [self.layer]


def published(reference: Reference, access: Access) -> tuple[Platform, ...]:
    """Return the platforms that *reference* exists for. In a mirror on disk, only folders are read.

    Raises:
        ImageNotFound: there is no such folder, file or tag.
        ImageError: the mirror cannot be read, or what it holds is broken.
    """
    if _is_tarball(reference):
        from pytest_alpine.image.minirootfs.tarball import tarball_platform

        return (tarball_platform(reference, access),)
    mirror = _mirror(reference, access)
    return _published(mirror, reference, _release(mirror, reference, access), access)


def open_source(reference: Reference, platform: Platform, access: Access) -> ImageSource:
    """Return the image *reference* for *platform*.

    Raises:
        ImageNotFound: there is no such folder, file or tag.
        PlatformNotFound: it does not exist for *platform*.
        ImageError: the mirror cannot be read, or what it holds is broken.
    """
    if _is_tarball(reference):
        from pytest_alpine.image.minirootfs.tarball import tarball_layer, tarball_platform

        found = tarball_platform(reference, access)
        if found != platform:
            raise PlatformNotFound(not_published(reference, platform, (found,)))
        layer = tarball_layer(reference, access)
    else:
        layer = _mirrored_layer(reference, platform, access)
    return RootfsSource(reference=reference, platform=platform, layer=layer, access=access)


def synthesised_config(platform: Platform, diff_id: str) -> bytes:
    """Return the configuration of a root filesystem for *platform* whose tar has the digest *diff_id*."""
    variant = platform.variant or _VARIANTS.get(platform.architecture, "")
    document: dict[str, Any] = {
        "architecture": platform.architecture,
        "config": {"Cmd": ["/bin/sh"], "Env": [_PATH]},
        # The specification does not ask for a history, but podman cannot build on an image without one.
        "history": [{"created_by": "a root filesystem"}],
        "os": platform.os,
        "rootfs": {"diff_ids": [diff_id], "type": "layers"},
    }
    if variant:
        document["variant"] = variant
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _is_tarball(reference: Reference) -> bool:
    if "://" in reference.name:
        return reference.name.endswith(_SUFFIXES)
    return Path(reference.name).is_file()


def _mirror(reference: Reference, access: Access) -> Mirror:
    if "://" in reference.name:
        from pytest_alpine.image.minirootfs.web_mirror import WebMirror

        return WebMirror(base=reference.name.rstrip("/"), access=access)
    root = Path(reference.name)
    if not root.is_dir():
        raise ImageNotFound(f"{reference}: no such file or folder: {reference.name!r}")
    return FolderMirror(root=root)


def _release(mirror: Mirror, reference: Reference, access: Access) -> Release:
    release = find_release(mirror, reference.tag)
    if release is None:
        raise _unknown_tag(mirror, reference, access)
    return release


def _mirrored_layer(reference: Reference, platform: Platform, access: Access) -> Layer:
    mirror = _mirror(reference, access)
    release = _release(mirror, reference, access)
    tarball = find_tarball(mirror, release, platform.apk_arch, access.store) if platform in PLATFORMS else None
    if tarball is None:
        raise _no_tarball(mirror, reference, release, platform, access)
    where = f"{reference} {platform}, {tarball.name}"
    return Layer(
        open=partial(mirror.open, tarball.path, size=tarball.size, what=where),
        where=where,
        digest=f"sha512:{tarball.sha512}",
        size=tarball.size,
    )


def _published(mirror: Mirror, reference: Reference, release: Release, access: Access) -> tuple[Platform, ...]:
    listed = mirror.names(f"{release.branch}/releases") or []
    # If the server lists no folders, it is asked for each.
    candidates = [platform for platform in PLATFORMS if platform.apk_arch in listed] or PLATFORMS
    found = tuple(platform for platform in candidates if _has(mirror, release, platform.apk_arch, access))
    if not found:
        raise _unknown_tag(mirror, reference, access, release)
    return found


def _has(mirror: Mirror, release: Release, arch: str, access: Access) -> bool:
    names = mirror.names(f"{release.branch}/releases/{arch}")
    if not names:
        return find_tarball(mirror, release, arch, access.store) is not None
    if release.version is not None:
        return f"{FLAVOR}-{release.version}-{arch}.tar.gz" in names
    return RELEASE_FILE in names and any(name.startswith(f"{FLAVOR}-") for name in names)


def _no_tarball(
    mirror: Mirror, reference: Reference, release: Release, platform: Platform, access: Access
) -> ImageNotFound | PlatformNotFound:
    there = _published(mirror, reference, release, access)
    if platform not in there:
        return PlatformNotFound(not_published(reference, platform, there))
    if access.pull == "never" and "://" in reference.name:
        return not_pulled(f"{reference} {platform}")
    file = mirror.where(f"{release.branch}/releases/{platform.apk_arch}/{RELEASE_FILE}")
    return ImageNotFound(f"{reference} {platform}: {file} names no {FLAVOR}")


def _unknown_tag(mirror: Mirror, reference: Reference, access: Access, release: Release | None = None) -> ImageNotFound:
    if access.pull == "never" and "://" in reference.name:
        return not_pulled(str(reference))
    versions = versions_there(mirror, release.branch) if release is not None and release.version is not None else []
    there = ", ".join(versions or tags_there(mirror)) or "nothing that a mirror holds"
    tag = reference.tag or LATEST
    return ImageNotFound(f"{reference}: no tag {tag!r} in {reference.name} (there: {there})")


if TYPE_CHECKING:
    _: type[ImageSource] = RootfsSource
