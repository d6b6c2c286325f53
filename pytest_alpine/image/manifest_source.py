"""From an index to the manifest of one platform, and from a manifest to an image source.

Registries and OCI layouts differ only in how they fetch a blob. This module has what they share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import DigestMismatch, ImageError, ImageNotFound, MalformedImage, PlatformNotFound
from pytest_alpine.image.blobs.layer import ByteStream, Layer
from pytest_alpine.image.source import ImageSource, not_published
from pytest_alpine.image.spec.documents import checked_digest, field, parse_json
from pytest_alpine.image.spec.manifest import (
    CONFIG_TYPES,
    INDEX_TYPES,
    Descriptor,
    Index,
    Manifest,
    is_artifact,
    parse_manifest,
)
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from pytest_alpine.reference import Reference

Fetch = Callable[[Descriptor], bytes]
"""Returns the document that a descriptor names, and checks its digest."""
OpenBlob = Callable[[Descriptor], AbstractContextManager[ByteStream]]
"""Opens the blob that a descriptor names."""

# No tool nests them deeper than three: one index for the layout, one for the tag, one for the platforms.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """The manifests of the Linux platforms that an image is published for."""

    manifests: Mapping[Platform, Descriptor]
    """In the order of the index."""
    broken: tuple[ImageError, ...] = ()
    """Why other entries of the index, which may be images too, cannot be read."""


def published_manifests(roots: Sequence[Descriptor], fetch: Fetch, where: str) -> Published:
    """Return the manifest of every Linux platform below *roots*; attestations and artifacts are left out.

    An entry that cannot be read hides no other.

    Args:
        roots: indexes and manifests.
        fetch: returns their documents.
        where: what messages call them.

    Raises:
        MalformedImage: there is no image among them; the message begins with *where*.
        ImageError: a document cannot be fetched.
    """
    search = _Search(fetch)
    found: dict[Platform, Descriptor] = {}
    for manifest in search.below(roots, [where] * len(roots), _MAX_DEPTH):
        if manifest.platform is not None and manifest.platform.os == "linux":
            # Of two entries for one platform, engines take the first.
            found.setdefault(manifest.platform, manifest)
    if not found and (reasons := [*search.broken, *search.others]):
        raise reasons[0]
    return Published(manifests=found, broken=tuple(search.broken))


def manifest_source(
    reference: Reference,
    platform: Platform,
    published: Published,
    fetch: Fetch,
    open_blob: OpenBlob,
) -> ManifestSource:
    """Return the image *reference* for *platform*, chosen among those that are *published*.

    One variant never stands in for another: an image that runs on ``arm/v7`` may not be the one that ``arm/v6`` gets.

    Raises:
        PlatformNotFound: it is not published for *platform*.
        MalformedImage: the manifest breaks its specification.
    """
    chosen = published.manifests.get(platform)
    if chosen is None:
        raise PlatformNotFound(not_published(reference, platform, published.manifests, published.broken))
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


class _OtherError(MalformedImage):
    """A manifest describes something else than an image."""


class _Search:
    """A walk through indexes, on which documents that are no image are passed over."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.broken: list[ImageError] = []
        """Why documents cannot be read."""
        self.others: list[ImageError] = []
        """Which documents are something else than an image."""

    def below(self, entries: Sequence[Descriptor], names: Sequence[str], depth: int) -> list[Descriptor]:
        """Return the manifests of *entries*, and of the indexes among them, which messages call *names*."""
        found: list[Descriptor] = []
        for entry, where in zip(entries, names, strict=True):
            try:
                found += self._manifests(entry, where, depth)
            except _OtherError as error:
                self.others.append(error)
            except (MalformedImage, DigestMismatch, ImageNotFound) as error:
                self.broken.append(error)
        return found

    def _manifests(self, entry: Descriptor, where: str, depth: int) -> list[Descriptor]:
        if entry.platform is not None and entry.media_type not in INDEX_TYPES:
            return [entry]  # the index tells its platform
        if not depth:
            raise MalformedImage(f"{where}: indexes nested more than {_MAX_DEPTH} deep")
        document = parse_manifest(self._fetch(entry), where)
        if isinstance(document, Manifest):
            return [replace(entry, platform=self._platform(document, where))]
        self.broken += document.broken
        children = [child for child in document.manifests if child.may_be_image]
        return self.below(children, [f"{where}@{child.digest}" for child in children], depth - 1)

    def _platform(self, manifest: Manifest, where: str) -> Platform:
        if is_artifact(manifest.artifact_type):
            raise _OtherError(f"{where}: no container image (an artifact of type {manifest.artifact_type!r})")
        try:
            return config_platform(parse_json(self._fetch(manifest.config), f"{where}, configuration"), where)
        except MalformedImage as error:
            if manifest.config.media_type in CONFIG_TYPES:
                raise
            # What another media type calls a configuration may have any form.
            raise _OtherError(str(error)) from error


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
