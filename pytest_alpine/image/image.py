"""An image: a final, read-only view over a small source. Each fact is derived once and kept.

Spec: https://github.com/opencontainers/image-spec/blob/main/spec.md
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_alpine.errors import ImageError, MalformedImage
from pytest_alpine.facts.base import KeptFacts
from pytest_alpine.image.manifest_source import config_diff_ids
from pytest_alpine.image.spec.config import ImageConfig, parse_config
from pytest_alpine.image.spec.documents import digest_of
from pytest_alpine.image.store.stored_tree import chain_id
from pytest_alpine.image.store.uses import ImageName
from pytest_alpine.rootfs.layers import LayeredRootFS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_alpine.image.access import Access
    from pytest_alpine.image.blobs.layer import Layer
    from pytest_alpine.image.source import ImageSource
    from pytest_alpine.image.store.store import Store, StoredLayer
    from pytest_alpine.image.store.stored_tree import StoredTree
    from pytest_alpine.image.store.uses import Use
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference
    from pytest_alpine.rootfs.base import RootFS


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How large an image is: three measures, each in bytes."""

    compressed: int | None
    """The layer blobs as stored in the manifest or archive; None where the source holds no blobs."""
    unpacked: int
    """The regular files that each layer adds, summed over the layers."""
    rootfs: int
    """The regular files of the flattened tree, a hard link counted once."""


@dataclass(frozen=True, repr=False)
class Image(KeptFacts):
    """A read-only view of one image for one platform; everything but source and access is derived."""

    source: ImageSource
    access: Access
    """What this image shares with the other images of a command or session."""

    @property
    def store(self) -> Store:
        """The local store, which keeps the layers."""
        return self.access.store

    @property
    def reference(self) -> Reference:
        """The reference that led to this image."""
        return self.source.reference

    @property
    def platform(self) -> Platform:
        """The platform that was asked for."""
        return self.source.platform

    @property
    def digest(self) -> str | None:
        """The manifest's digest, where the source has manifests."""
        return self.source.digest

    @property
    def raw_config(self) -> bytes:
        """The configuration, byte for byte."""
        return self._opened[0]

    @cached_property
    def _opened(self) -> tuple[bytes, Use | None]:
        """The configuration and, from here on, the use of the image: what it needs in the store stays there."""
        raw = self.source.raw_config()
        try:
            diff_ids = config_diff_ids(raw, "", f"{self.reference}, configuration")
        except ImageError:  # it is broken, which whoever asks for what it says is told
            return raw, None
        name = ImageName(reference=str(self.reference), platform=str(self.platform), id=digest_of(raw))
        return raw, self.access.use(name, self.digest, diff_ids)

    @cached_property
    def id(self) -> str:
        """The configuration's digest: Docker's image ID."""
        return digest_of(self.raw_config)

    @cached_property
    def config(self) -> ImageConfig:
        """What the image says about itself: command, environment, user, labels."""
        return parse_config(self.raw_config, where=f"{self.reference}, configuration")

    @cached_property
    def layers(self) -> Sequence[Layer]:
        """The layers as their source holds them, base first."""
        layers = self.source.layers()
        if not layers:
            raise MalformedImage(f"{self.reference} ({self.platform}) has no layers (expected at least one)")
        return layers

    @cached_property
    def stored_layers(self) -> Sequence[StoredLayer]:
        """The layers in the local store, base first; missing ones are fetched."""
        _ = self._opened
        return [self.store.layer(layer, self.access.progress) for layer in self.layers]

    @cached_property
    def chain_id(self) -> str:
        """The chain ID of the layers; those whose diff ID is unknown are fetched."""
        _ = self._opened
        return chain_id([self.store.diff_id(layer, self.access.progress) for layer in self.layers])

    @cached_property
    def rootfs(self) -> RootFS:
        """The flattened root filesystem."""
        return LayeredRootFS(self._tree.entries, self._tree.tars, self._opened[1])

    @cached_property
    def _tree(self) -> StoredTree:
        _ = self._opened
        return self.store.tree(self.layers, self.access.progress)

    @cached_property
    def size(self) -> Size:
        """How large the image is, in bytes."""
        sizes = [layer.size for layer in self.layers]
        known = [size for size in sizes if size is not None]
        return Size(
            compressed=sum(known) if len(known) == len(sizes) else None,
            unpacked=self._tree.unpacked,
            rootfs=self._tree.rootfs,
        )

    def __str__(self) -> str:
        digest = self.digest or self.id
        return f"{self.reference} ({self.platform}, {digest[:19]})"

    def __repr__(self) -> str:
        # Digests are left out: to know them, a layer may have to be read.
        return f"<image {self.reference} ({self.platform})>"
