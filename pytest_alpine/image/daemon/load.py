"""An image as a stream that ``docker load`` and ``podman load`` read.

Spec: ``manifest.json`` in https://github.com/moby/docker-image-spec/blob/main/spec.md
"""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import StoreError
from pytest_alpine.image.manifest_source import config_diff_ids
from pytest_alpine.image.spec.documents import check_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.image.image import Image
    from pytest_alpine.image.store.store import StoredLayer

LOADED: Final = "pytest-alpine"
"""The repository in the names of images that a run loads; the tag is the image's ID."""

_PIECE: Final = 1 << 20


def docker_archive(image: Image, tag: str | None = None) -> Iterator[bytes]:
    """Yield the archive of *image* in small pieces.

    The archive holds the configuration byte for byte, so that a classic engine names the image by ``image.id``. Layers
    that the local store lacks are fetched before the first piece.

    Args:
        image: what to load.
        tag: the name to give it, such as ``acme/app:1.2``; with None, names stay as they are.

    Raises:
        MalformedImage: the image breaks its specification.
        DigestMismatch: the layers are not those that the configuration names.
        StoreError: a layer cannot be read from the local store.
    """
    layers = {layer.diff_id: layer for layer in image.stored_layers}
    diff_ids = config_diff_ids(image.raw_config, "", f"{image.reference}, configuration")
    for number, (layer, diff_id) in enumerate(zip(image.stored_layers, diff_ids, strict=False)):
        check_digest(f"{image.reference}, layer {number}", "diff ID", diff_id, layer.diff_id)
    config = f"{_hexadecimal(image.id)}.json"
    row = {"Config": config, "RepoTags": [tag] if tag else None, "Layers": [_layer_name(item) for item in diff_ids]}
    yield from _document(config, image.raw_config)
    for layer in layers.values():  # a layer that the image uses twice is written once
        yield from _layer(layer)
    yield from _document("manifest.json", json.dumps([row]).encode())
    yield bytes(2 * tarfile.BLOCKSIZE)


def _document(name: str, data: bytes) -> Iterator[bytes]:
    yield _header(name, len(data)) + data + _padding(len(data))


def _layer(layer: StoredLayer) -> Iterator[bytes]:
    try:
        with layer.tar.open("rb", buffering=0) as stream:
            size = left = layer.tar.stat().st_size
            yield _header(_layer_name(layer.diff_id), size)
            while left and (piece := stream.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece
    except OSError as error:
        raise StoreError(f"cannot read layer {layer.tar}: {error.strerror or error}; open the image again") from error
    if left:
        raise StoreError(f"cannot read layer {layer.tar}: it was cut by {left} bytes meanwhile; open the image again")
    yield _padding(size)


def _layer_name(diff_id: str) -> str:
    return f"{_hexadecimal(diff_id)}/layer.tar"


def _hexadecimal(digest: str) -> str:
    return digest.partition(":")[2]


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    # GNU's format, which `docker save` writes too, has sizes beyond 8 GiB without extended headers.
    return member.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
