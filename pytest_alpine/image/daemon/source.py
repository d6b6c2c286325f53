"""The transport ``docker-daemon:NAME``: the images that a Docker engine holds.

Spec: the Engine API, https://docs.docker.com/reference/api/engine/. An engine's classic store names an image by the
digest of its configuration, its containerd store by the digest of its manifest or index, which may hold several
platforms. The local store keeps a saved image, and finds it by the same digest.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_alpine.dockerapi.client import STILL_UP, Connect, connect
from pytest_alpine.errors import EngineError, EngineUnavailable, MalformedImage, PlatformNotFound
from pytest_alpine.image.blobs.layer import Layer
from pytest_alpine.image.daemon.inspect import EngineImage, SaveStream, inspect, other_platform
from pytest_alpine.image.daemon.save import keep_saved, saved_layer
from pytest_alpine.image.manifest_source import Published, config_platform, manifest_source, published_manifests
from pytest_alpine.image.spec.documents import parse_json
from pytest_alpine.image.spec.manifest import Descriptor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from docker import DockerClient

    from pytest_alpine.image.access import Access
    from pytest_alpine.image.blobs.layer import ByteStream
    from pytest_alpine.image.source import ImageSource
    from pytest_alpine.image.store.store import Store
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassicImage:
    """An image of a classic store, which keeps no manifests."""

    reference: Reference
    platform: Platform
    config: bytes
    layer_list: tuple[Layer, ...]
    digest: str | None = None

    def raw_config(self) -> bytes:
        """Return the image's configuration, byte for byte."""
        return self.config

    def layers(self) -> Sequence[Layer]:
        """Return the layers, base first. Their sizes are unknown, because a classic store has no blobs."""
        return self.layer_list


class _NotSavedError(MalformedImage):
    """The local store lacks a part of the image."""


def published(reference: Reference, access: Access, connect: Connect = connect) -> tuple[Platform, ...]:
    """Return the platforms for which the engine holds *reference*.

    Raises:
        ImageNotFound: the engine does not hold it.
        EngineError: no engine answers, or it failed.
    """
    with closing(connect()) as client:
        held = inspect(client, reference, connect)
        if held.classic and held.platform is not None:
            return (held.platform,)
        if access.store.document(held.id) is None:
            _save(client, held, access)
    if held.classic:
        return (_config_platform(held, access.store),)
    return tuple(_manifests(held, access.store).manifests)


def open_source(reference: Reference, platform: Platform, access: Access, connect: Connect = connect) -> ImageSource:
    """Return the image *reference* for *platform*; the parts that the store lacks are copied from the engine at once.

    Raises:
        ImageNotFound: the engine does not hold it.
        PlatformNotFound: the engine holds it for other platforms only.
        MalformedImage: the engine does not return all of it.
        EngineError: no engine answers, or it failed.
    """
    with closing(connect()) as client:
        held = inspect(client, reference, connect)
        if held.classic:
            _check_classic(held, platform)
        try:
            return _from_store(held, platform, access.store)
        except _NotSavedError:
            with access.lock(held.id, waiting=f"waiting for another process that copies {reference}"):
                return _from_engine(client, held, platform, access)


def _check_classic(held: EngineImage, platform: Platform) -> None:
    if held.platform is not None and held.platform != platform:
        raise PlatformNotFound(other_platform(held, platform, (held.platform,)))
    if not held.diff_ids:  # engines refuse to save such an image
        raise MalformedImage(f"{held.reference} ({platform}) has no layers (expected at least one)")


def _from_engine(client: DockerClient, held: EngineImage, platform: Platform, access: Access) -> ImageSource:
    try:
        return _from_store(held, platform, access.store)  # another process may have copied it in the meantime
    except _NotSavedError:
        _save(client, held, access)
    if not held.classic and platform not in (there := _manifests(held, access.store).manifests):
        raise PlatformNotFound(other_platform(held, platform, tuple(there)))
    return _from_store(held, platform, access.store)


def _from_store(held: EngineImage, platform: Platform, store: Store) -> ImageSource:
    """Return the image from the local store.

    Raises:
        _NotSavedError: a part of it is missing.
    """
    source = _classic_image(held, platform, store) if held.classic else _containerd_image(held, platform, store)
    for layer in source.layers():
        if layer.diff_id is None or not store.has(layer.diff_id):
            raise _NotSavedError(f"{layer.where}: the engine did not give layer {layer.diff_id}; pull the image again")
    return source


def _classic_image(held: EngineImage, platform: Platform, store: Store) -> ClassicImage:
    actual = _config_platform(held, store)
    if actual != platform:
        raise PlatformNotFound(other_platform(held, platform, (actual,)))
    scratch = store.root / "incoming"
    layers = (
        Layer(
            open=partial(_open_layer, held, diff_id, scratch),
            where=f"{held.reference} {platform}, layer {number}",
            diff_id=diff_id,
        )
        for number, diff_id in enumerate(held.diff_ids)
    )
    return ClassicImage(
        reference=held.reference,
        platform=platform,
        config=_document(held, held.id, store),
        layer_list=tuple(layers),
    )


def _config_platform(held: EngineImage, store: Store) -> Platform:
    where = f"{held.reference}, configuration"
    return config_platform(parse_json(_document(held, held.id, store), where), where)


def _containerd_image(held: EngineImage, platform: Platform, store: Store) -> ImageSource:
    published = _manifests(held, store)
    if platform not in published.manifests:
        raise _NotSavedError(other_platform(held, platform, tuple(published.manifests)))
    scratch = store.root / "incoming"
    return manifest_source(
        held.reference,
        platform,
        published,
        lambda blob: _document(held, blob.digest, store),
        lambda blob: _open_layer(held, blob.digest, scratch),
    )


def _manifests(held: EngineImage, store: Store) -> Published:
    """Return the manifests of the platforms that the engine saved; an index may name more than were pulled."""
    root = Descriptor(digest=held.id, size=len(_document(held, held.id, store)), annotations={})
    listed = published_manifests([root], lambda blob: _document(held, blob.digest, store), str(held.reference))
    there = {platform: found for platform, found in listed.manifests.items() if store.document(found.digest)}
    return replace(listed, manifests=there)


def _document(held: EngineImage, digest: str, store: Store) -> bytes:
    data = store.document(digest)
    if data is None:
        raise _NotSavedError(f"{held.reference}: the engine did not give the document {digest}; pull the image again")
    return data


def _save(client: DockerClient, held: EngineImage, access: Access) -> None:
    access.progress(f"copying {held.reference} from the Docker engine")
    with closing(SaveStream(client, held)) as stream:
        try:
            keep_saved(stream, access.store, f"{held.reference}, as saved by the engine")
        except MalformedImage as error:
            if stream.is_empty:
                raise EngineUnavailable(f"cannot save {held.reference}: the engine gave nothing; {STILL_UP}") from error
            if stream.complaint:
                raise EngineError(f"cannot save {held.reference}: the engine failed: {stream.complaint}") from error
            raise


@contextmanager
def _open_layer(held: EngineImage, digest: str, scratch: Path) -> Iterator[ByteStream]:
    """Open a layer that the local store has lost since the image was opened."""
    where = f"{held.reference}, as saved by the engine"
    with (
        closing(held.connect()) as client,
        closing(SaveStream(client, held)) as stream,
        saved_layer(stream, digest, scratch, where) as layer,
    ):
        yield layer


if TYPE_CHECKING:
    _: type[ImageSource] = ClassicImage
