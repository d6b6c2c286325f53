"""From an index to the manifest of one platform, and from a manifest to an image source.

Registries and OCI layouts differ only in how a blob is had; what follows is theirs in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import MalformedImage, PlatformNotFound
from pytest_alpine.image.blobs.layer import ByteStream, Layer
from pytest_alpine.image.source import ImageSource, not_published
from pytest_alpine.image.spec.documents import checked_digest, field, parse_json
from pytest_alpine.image.spec.manifest import INDEX_TYPES, Descriptor, Index, Manifest, parse_manifest
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from pytest_alpine.reference import Reference

Fetch = Callable[[Descriptor], bytes]
"""Returns the document that a descriptor names, its digest checked."""
OpenBlob = Callable[[Descriptor], AbstractContextManager[ByteStream]]
"""Opens the blob that a descriptor names."""

# Deeper than any tool nests them: one for the layout, one for the tag, one for the platforms.
_MAX_DEPTH: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestSource:
    """One image that a manifest describes."""

    reference: Reference
    platform: Platform
    digest: str
    manifest: Manifest
    config: bytes
    open_blob: OpenBlob

    def raw_config(self) -> bytes:
        """Return the image's configuration, byte for byte."""
        return self.config

    def layers(self) -> Sequence[Layer]:
        """Return the layers, base first."""
        where = f"{self.reference} {self.platform}"
        diff_ids = config_diff_ids(self.config, self.manifest.config.media_type, f"{where}, configuration")
        if len(diff_ids) != len(self.manifest.layers):
            raise MalformedImage(
                f"{where}: {len(self.manifest.layers)} layers in the manifest, "
                f"{len(diff_ids)} diff IDs in the configuration (expected as many)"
            )
        return [
            Layer(
                open=partial(self.open_blob, blob),
                where=f"{where}, layer {number}",
                digest=blob.digest,
                diff_id=diff_id,
                size=blob.size,
            )
            for number, (blob, diff_id) in enumerate(zip(self.manifest.layers, diff_ids, strict=True))
        ]


def published_manifests(root: Descriptor, fetch: Fetch, where: str) -> dict[Platform, Descriptor]:
    """Return the manifest of every Linux platform below *root*, in the order of the index; attestations are left out.

    Args:
        root: an index or a manifest.
        fetch: how its documents are had.
        where: what messages call it.

    Raises:
        MalformedImage: a document breaks its specification; the message begins with *where*.
    """
    found: dict[Platform, Descriptor] = {}
    for manifest in _manifests(root, fetch, where, _MAX_DEPTH):
        if manifest.platform is not None and manifest.platform.os == "linux":
            # Engines take the first of two entries for one platform.
            found.setdefault(manifest.platform, manifest)
    return found


def manifest_source(
    reference: Reference,
    platform: Platform,
    manifests: dict[Platform, Descriptor],
    fetch: Fetch,
    open_blob: OpenBlob,
) -> ManifestSource:
    """Return the image *reference* for *platform*, chosen among the *manifests* that are published.

    A variant is never taken for another one: what runs on an ``arm/v7`` may not be what users of ``arm/v6`` get.

    Raises:
        PlatformNotFound: it is not published for *platform*.
        MalformedImage: the manifest breaks its specification.
    """
    chosen = manifests.get(platform)
    if chosen is None:
        raise PlatformNotFound(not_published(reference, platform, tuple(manifests)))
    where = f"{reference} {platform}"
    manifest = _image_manifest(chosen, fetch, where)
    return ManifestSource(
        reference=reference,
        platform=platform,
        digest=chosen.digest,
        manifest=manifest,
        config=fetch(manifest.config),
        open_blob=open_blob,
    )


def _manifests(root: Descriptor, fetch: Fetch, where: str, depth: int) -> list[Descriptor]:
    if root.platform is not None and root.media_type not in INDEX_TYPES:
        return [root]  # the index says all there is to know
    if not depth:
        raise MalformedImage(f"{where}: indexes nested more than {_MAX_DEPTH} deep")
    document = parse_manifest(fetch(root), where)
    if isinstance(document, Manifest):
        config = parse_json(fetch(document.config), f"{where}, configuration")
        return [replace(root, platform=config_platform(config, where))]
    below = [child for child in document.manifests if not child.attestation]
    return [found for child in below for found in _manifests(child, fetch, f"{where}@{child.digest}", depth - 1)]


def _image_manifest(chosen: Descriptor, fetch: Fetch, where: str) -> Manifest:
    manifest = parse_manifest(fetch(chosen), where)
    if isinstance(manifest, Index):
        raise MalformedImage(f"{where}: {chosen.digest} is an index (expected an image manifest)")
    return manifest


def config_platform(config: dict[str, Any], where: str) -> Platform:
    """Return the platform that an image's configuration names.

    Raises:
        MalformedImage: it names none.
    """
    names = [field(config, name, str, f"{where}, configuration", "") for name in ("os", "architecture", "variant")]
    if not names[1]:
        raise MalformedImage(f"{where}: no container image (its configuration names no architecture)")
    return Platform(os=names[0] or "linux", architecture=names[1], variant=names[2])


def config_diff_ids(config: bytes, media_type: str, where: str) -> list[str]:
    """Return the diff IDs of an image's layers, base first, from its configuration.

    Raises:
        MalformedImage: it is the configuration of something else.
    """
    rootfs = parse_json(config, where).get("rootfs")
    if not isinstance(rootfs, dict):
        raise MalformedImage(f"{where}: no container image (field 'rootfs' is missing, media type {media_type!r})")
    return [checked_digest(item, where) for item in field(rootfs, "diff_ids", list, where)]


if TYPE_CHECKING:
    _: type[ImageSource] = ManifestSource
