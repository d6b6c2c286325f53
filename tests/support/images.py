"""Images built in code: layers, configurations, manifests, indexes, and all forms of archives and layouts.

::

    small = image(layer_tar({"etc/alpine-release": "3.20.3\n", "bin/sh": Symlink("/bin/busybox")}))
    write_oci_layout(folder, {"3.20": [small, image(..., platform="linux/arm64/v8")]})

Specs: https://github.com/opencontainers/image-spec, and the layouts that ``docker save`` writes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import zstandard

from tests.support.tars import (
    OPAQUE,
    Device,
    Directory,
    Fifo,
    File,
    HardLink,
    Members,
    Node,
    Symlink,
    layer_tar,
    whiteout,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "OPAQUE",
    "Blob",
    "BuiltImage",
    "Device",
    "Directory",
    "Fifo",
    "File",
    "HardLink",
    "Members",
    "Node",
    "Symlink",
    "artifact",
    "attestation",
    "blobs_of",
    "compress",
    "image",
    "index",
    "layer_tar",
    "whiteout",
    "write_docker_archive",
    "write_legacy_docker_archive",
    "write_oci_archive",
    "write_oci_layout",
]

Compression = Literal["gzip", "zstd", "plain"]
Style = Literal["oci", "docker"]

_OCI = "application/vnd.oci.image"
_DOCKER = "application/vnd.docker"
_MANIFEST_TYPES = {"oci": f"{_OCI}.manifest.v1+json", "docker": f"{_DOCKER}.distribution.manifest.v2+json"}
_CONFIG_TYPES = {"oci": f"{_OCI}.config.v1+json", "docker": f"{_DOCKER}.container.image.v1+json"}
_INDEX_TYPES = {"oci": f"{_OCI}.index.v1+json", "docker": f"{_DOCKER}.distribution.manifest.list.v2+json"}
_LAYER_TYPES = {
    ("oci", "gzip"): f"{_OCI}.layer.v1.tar+gzip",
    ("oci", "zstd"): f"{_OCI}.layer.v1.tar+zstd",
    ("oci", "plain"): f"{_OCI}.layer.v1.tar",
    ("docker", "gzip"): f"{_DOCKER}.image.rootfs.diff.tar.gzip",
    ("docker", "zstd"): f"{_DOCKER}.image.rootfs.diff.tar.zstd",
    ("docker", "plain"): f"{_DOCKER}.image.rootfs.diff.tar",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """Bytes with a media type, as registries and layouts keep them."""

    data: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """``sha256:...`` of the data."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    def descriptor(self, **more: object) -> dict[str, Any]:
        """Return the descriptor of this blob in a manifest or an index, with further fields *more*."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data), **more}


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltImage:
    """One image for one platform: the blobs of a manifest, a configuration and layers, base first."""

    tars: tuple[bytes, ...]
    """The layers, uncompressed."""
    layers: tuple[Blob, ...]
    config: Blob
    manifest: Blob
    platform: Mapping[str, str] = field(default_factory=dict)
    """The ``platform`` object of an index's entry."""

    @property
    def diff_ids(self) -> list[str]:
        """Digests of the uncompressed layers, base first."""
        return [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in self.tars]


def compress(data: bytes, compression: Compression = "gzip") -> bytes:
    """Return *data* compressed, the same bytes at every call."""
    if compression == "gzip":
        return gzip.compress(data, mtime=0)
    if compression == "zstd":
        return zstandard.ZstdCompressor().compress(data)
    return data


def image(
    *tars: bytes,
    platform: str = "linux/amd64",
    config: Mapping[str, Any] | None = None,
    compression: Compression = "gzip",
    style: Style = "oci",
    **fields: object,
) -> BuiltImage:
    """Return an image of the layers *tars*, base first.

    Args:
        tars: uncompressed layers, as ``layer_tar`` makes them.
        platform: os/architecture[/variant], written into the configuration as given.
        config: the ``config`` object of the configuration (Entrypoint, Cmd, Env, ...).
        compression: of the layer blobs.
        style: the style of the media types.
        fields: further fields of the configuration; they replace fields of the same name.
    """
    words = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    diff_ids = [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]
    document = words | {"config": dict(config or {}), "rootfs": {"type": "layers", "diff_ids": diff_ids}} | fields
    layers = [Blob(data=compress(tar, compression), media_type=_LAYER_TYPES[style, compression]) for tar in tars]
    config_blob = Blob(data=_json(document), media_type=_CONFIG_TYPES[style])
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPES[style],
        "config": config_blob.descriptor(),
        "layers": [layer.descriptor() for layer in layers],
    }
    return BuiltImage(
        tars=tars,
        layers=tuple(layers),
        config=config_blob,
        manifest=Blob(data=_json(manifest), media_type=_MANIFEST_TYPES[style]),
        platform=words,
    )


def attestation(subject: BuiltImage) -> tuple[dict[str, Any], list[Blob]]:
    """Return the index entry of BuildKit's provenance of *subject*, and the blobs it needs."""
    statement = Blob(data=b'{"_type":"https://in-toto.io/Statement/v0.1"}', media_type="application/vnd.in-toto+json")
    config = Blob(
        data=_json(
            {
                "architecture": "unknown",
                "os": "unknown",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [statement.digest]},
            }
        ),
        media_type=_CONFIG_TYPES["oci"],
    )
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPES["oci"],
        "config": config.descriptor(),
        "layers": [statement.descriptor()],
    }
    manifest = Blob(data=_json(document), media_type=_MANIFEST_TYPES["oci"])
    annotations = {
        "vnd.docker.reference.digest": subject.manifest.digest,
        "vnd.docker.reference.type": "attestation-manifest",
    }
    entry = manifest.descriptor(platform={"architecture": "unknown", "os": "unknown"}, annotations=annotations)
    return entry, [statement, config, manifest]


def artifact(
    artifact_type: str = "", config_type: str = "application/vnd.oci.empty.v1+json", config: bytes = b"{}"
) -> tuple[Blob, list[Blob]]:
    """Return the manifest of an artifact that is not an image (SBOM, signature, chart), and the blobs it needs."""
    content = Blob(data=b"content", media_type="text/plain")
    configuration = Blob(data=config, media_type=config_type)
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPES["oci"],
        **({"artifactType": artifact_type} if artifact_type else {}),
        "config": configuration.descriptor(),
        "layers": [content.descriptor()],
    }
    return Blob(data=_json(document), media_type=_MANIFEST_TYPES["oci"]), [content, configuration]


def index(images: Sequence[BuiltImage], *, style: Style = "oci", more: Sequence[Mapping[str, Any]] = ()) -> Blob:
    """Return a multi-platform index of *images*; *more* are further entries, such as those of attestations."""
    entries = [built.manifest.descriptor(platform=built.platform) for built in images]
    document = {"schemaVersion": 2, "mediaType": _INDEX_TYPES[style], "manifests": [*entries, *more]}
    return Blob(data=_json(document), media_type=_INDEX_TYPES[style])


def blobs_of(built: BuiltImage) -> list[Blob]:
    """Return all blobs of *built*, in the order in which a registry takes them."""
    return [*built.layers, built.config, built.manifest]


def write_oci_layout(
    folder: Path, images: Mapping[str, Sequence[BuiltImage]], *, attested: bool = False
) -> dict[str, str]:
    """Write an OCI image layout and return the digest of each tag's manifest or index.

    Args:
        folder: the folder of the layout, which is created.
        images: tags and the images of each. ``index.json`` lists a single image itself, and several by an index of
            their own, as BuildKit and skopeo write them. The tag ``""`` writes an entry without a name.
        attested: whether every tag is an index with an attestation for each of its images.
    """
    blobs, entries, digests = _layout(images, attested=attested)
    for name, data in _layout_files(blobs, entries).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return digests


def write_oci_archive(
    path: Path, images: Mapping[str, Sequence[BuiltImage]], *, attested: bool = False
) -> dict[str, str]:
    """Write an OCI image layout as one tar; see ``write_oci_layout``."""
    blobs, entries, digests = _layout(images, attested=attested)
    _write_tar(path, _layout_files(blobs, entries))
    return digests


def write_docker_archive(path: Path, images: Mapping[str, BuiltImage]) -> None:
    """Write an archive as ``docker save`` since 25.0 does: an OCI layout with a ``manifest.json``.

    Args:
        path: the archive.
        images: names with tags (``acme/app:1.2``) and their images; ``""`` writes an image without a name.
    """
    blobs: dict[str, Blob] = {blob.digest: blob for built in images.values() for blob in blobs_of(built)}
    entries = [
        built.manifest.descriptor(annotations={"io.containerd.image.name": name} if name else {})
        for name, built in images.items()
    ]
    rows = [
        {
            "Config": _blob_path(built.config.digest),
            "RepoTags": [name] if name else None,
            "Layers": [_blob_path(layer.digest) for layer in built.layers],
        }
        for name, built in images.items()
    ]
    _write_tar(path, _layout_files(list(blobs.values()), entries) | {"manifest.json": _json(rows)})


def write_legacy_docker_archive(path: Path, images: Mapping[str, BuiltImage]) -> None:
    """Write an archive as ``docker save`` before 25.0 did: ``manifest.json``, ``ID.json`` and ``ID/layer.tar``.

    Its layers are uncompressed. If two images share a layer, the second has a symbolic link to that of the first.
    """
    members: dict[str, Node] = {}
    rows, first_place = [], dict[str, str]()
    for name, built in images.items():
        config_name = f"{built.config.digest.partition(':')[2]}.json"
        members[config_name] = built.config.data
        layer_names = []
        for number, (tar, diff_id) in enumerate(zip(built.tars, built.diff_ids, strict=True)):
            folder = hashlib.sha256(f"{name} {number} {diff_id}".encode()).hexdigest()
            place = f"{folder}/layer.tar"
            shared = first_place.setdefault(diff_id, place)
            members |= {f"{folder}/": Directory(), f"{folder}/VERSION": "1.0", f"{folder}/json": "{}"}
            members[place] = tar if shared == place else Symlink(f"../{shared}")
            layer_names.append(place)
        rows.append({"Config": config_name, "RepoTags": [name] if name else None, "Layers": layer_names})
    path.write_bytes(layer_tar(members | {"manifest.json": _json(rows)}))


def _layout(
    images: Mapping[str, Sequence[BuiltImage]], *, attested: bool
) -> tuple[list[Blob], list[dict[str, Any]], dict[str, str]]:
    blobs: dict[str, Blob] = {}
    entries, digests = [], {}
    for tag, builts in images.items():
        more = []
        for built in builts:
            blobs |= {blob.digest: blob for blob in blobs_of(built)}
            if attested:
                entry, needed = attestation(built)
                more.append(entry)
                blobs |= {blob.digest: blob for blob in needed}
        top = builts[0].manifest if len(builts) == 1 and not attested else index(builts, more=more)
        blobs[top.digest] = top
        names = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        entries.append(top.descriptor(**names))
        digests[tag] = top.digest
    return list(blobs.values()), entries, digests


def _layout_files(blobs: Sequence[Blob], entries: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    top = {"schemaVersion": 2, "mediaType": _INDEX_TYPES["oci"], "manifests": list(entries)}
    return {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json(top),
        **{_blob_path(blob.digest): blob.data for blob in blobs},
    }


def _blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _write_tar(path: Path, files: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
