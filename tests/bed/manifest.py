"""Image manifests and descriptors.

Spec: https://github.com/opencontainers/image-spec/blob/main/manifest.md
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.bed.layers import Blob, blob

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A manifest, the blobs it refers to, and the descriptor under which an index lists it."""

    media_type: str
    blob: Blob
    refers_to: tuple[Blob, ...]
    descriptor: Mapping[str, Any]


def manifest(
    *,
    media_type: str,
    config: tuple[str, Blob],
    layers: Sequence[tuple[str, Blob, Mapping[str, str]]],
    platform: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """A manifest over *config* (media type, blob) and *layers* (media type, blob, annotations).

    *platform* and *annotations* go into its descriptor, for an index to list.
    """
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _descriptor(*config),
        "layers": [_descriptor(*layer) for layer in layers],
    }
    raw = blob(json.dumps(document, indent=2).encode())
    described = {**_descriptor(media_type, raw, annotations or {}), "platform": dict(platform)}
    blobs = (config[1], *(layer[1] for layer in layers))
    return Manifest(media_type=media_type, blob=raw, refers_to=blobs, descriptor=described)


def _descriptor(media_type: str, stored: Blob, annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    described: dict[str, Any] = {"mediaType": media_type, "digest": stored.digest, "size": stored.size}
    return described | ({"annotations": dict(annotations)} if annotations else {})
