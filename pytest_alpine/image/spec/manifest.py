"""Image manifests and indexes, of OCI and of Docker: text in, values out.

Specs: manifest.md, image-index.md and descriptor.md of https://github.com/opencontainers/image-spec, and
https://distribution.github.io/distribution/spec/manifest-v2-2/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import MalformedImage
from pytest_alpine.image.spec.documents import checked_digest, field, parse_json
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"

INDEX_TYPES: Final = frozenset({OCI_INDEX, DOCKER_INDEX})
"""Media types of documents that name several manifests."""
MANIFEST_TYPES: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
"""Media types of documents that describe one image, or an artifact of OCI 1.1 in its form."""
CONFIG_TYPES: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG})
"""Media types of an image's configuration."""

UNKNOWN_SIZE: Final = -1
"""The size of a document that is known by its digest alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """What an index or manifest says about one blob."""

    digest: str
    size: int
    """Bytes, or ``UNKNOWN_SIZE``."""
    media_type: str = ""
    artifact_type: str = ""
    """What an artifact is, such as an SBOM, a signature or a chart."""
    platform: Platform | None = None
    """None if the index names none, as in most OCI layouts."""
    annotations: Mapping[str, str]
    attestation: bool = False
    """Whether it holds statements about another image (provenance, SBOM) and is no image itself."""

    @property
    def may_be_image(self) -> bool:
        """Whether it may lead to an image; other entries of an index are passed over, as the specification asks."""
        is_known = not self.media_type or self.media_type in INDEX_TYPES | MANIFEST_TYPES
        return is_known and not self.attestation and not is_artifact(self.artifact_type)


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """One image: its configuration and its layers, base first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str = ""
    """What it is where it is no image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """Several manifests, usually one per platform."""

    manifests: tuple[Descriptor, ...]
    broken: tuple[MalformedImage, ...] = ()
    """What is wrong with entries that cannot be read."""


def is_artifact(artifact_type: str) -> bool:
    """Whether *artifact_type* says that something is no image; images have none, or repeat their configuration's."""
    return bool(artifact_type) and artifact_type not in CONFIG_TYPES


def parse_manifest(data: bytes, where: str) -> Manifest | Index:
    """Return the manifest or index in *data*. Its fields tell which it is, because ``mediaType`` is optional.

    Raises:
        MalformedImage: it is neither; the message begins with *where*.
    """
    document = parse_json(data, where)
    media_type = field(document, "mediaType", str, where, "")
    # Two tools could read a document that is both as two different images (CVE-2021-41190).
    if "manifests" in document and ("layers" in document or "config" in document):
        raise MalformedImage(f"{where}: a manifest and an index at once (expected 'layers' or 'manifests', not both)")
    if "manifests" in document and media_type not in MANIFEST_TYPES:
        return _index(document, where)
    if "config" in document and media_type not in INDEX_TYPES:
        config = parse_descriptor(field(document, "config", dict, where), f"{where}, config")
        artifact_type = field(document, "artifactType", str, where, "")
        return Manifest(config=config, layers=_descriptors(document, "layers", where), artifact_type=artifact_type)
    if document.get("schemaVersion") == 1:
        raise MalformedImage(f"{where}: a manifest of Docker's schema 1, which no tool writes any more: push it anew")
    raise MalformedImage(f"{where}: neither an image manifest nor an index (mediaType {media_type!r})")


def parse_descriptor(document: dict[str, Any], where: str) -> Descriptor:
    """Return the descriptor that *document* writes.

    Raises:
        MalformedImage: digest, size or platform break the specification; the message begins with *where*.
    """
    size = field(document, "size", int, where)
    if size < 0:
        raise MalformedImage(f"{where}: size {size} (expected 0 or more bytes)")
    annotations = field(document, "annotations", dict, where, {})
    platform = field(document, "platform", dict, where, {})
    names = [field(platform, name, str, where, "") for name in ("os", "architecture", "variant")]
    return Descriptor(
        digest=checked_digest(document.get("digest"), where),
        size=size,
        media_type=field(document, "mediaType", str, where, ""),
        artifact_type=field(document, "artifactType", str, where, ""),
        platform=_platform(*names),
        annotations={str(name): str(value) for name, value in annotations.items()},
        # BuildKit gives attestations this platform so that no engine chooses them.
        attestation="vnd.docker.reference.type" in annotations or names[:2] == ["unknown", "unknown"],
    )


def _platform(system: str, architecture: str, variant: str) -> Platform | None:
    return Platform(os=system or "linux", architecture=architecture, variant=variant) if architecture else None


def _index(document: dict[str, Any], where: str) -> Index:
    """Return the index in *document*; a broken entry hides no other, unless there is no other."""
    found, broken = [], []
    for number, item in enumerate(field(document, "manifests", list, where)):
        try:
            found.append(_descriptor(item, f"{where}, manifests[{number}]"))
        except MalformedImage as error:
            broken.append(error)
    if broken and not found:
        raise broken[0]
    return Index(manifests=tuple(found), broken=tuple(broken))


def _descriptors(document: dict[str, Any], name: str, where: str) -> tuple[Descriptor, ...]:
    items = field(document, name, list, where)
    return tuple(_descriptor(item, f"{where}, {name}[{number}]") for number, item in enumerate(items))


def _descriptor(item: object, where: str) -> Descriptor:
    if not isinstance(item, dict):
        raise MalformedImage(f"{where}: {item!r:.80} (expected an object)")
    return parse_descriptor(item, where)
