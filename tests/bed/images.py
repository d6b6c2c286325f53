"""Multi-platform images made from root filesystems, in the forms that registries hold.

Spec: https://github.com/opencontainers/image-spec/blob/main/image-index.md
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.bed.attestation import attestation
from tests.bed.layers import Blob, Layer, blob, gzip_layer, zstd_layer
from tests.bed.manifest import Manifest, manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bed.mirror import Release, Rootfs

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """A form of an image: its media types, its layers, and whether it has attestations."""

    repository: str
    index: str
    manifest: str
    config: str
    layer: str
    make_layer: Callable[[Rootfs], Layer] = gzip_layer
    attested: bool = True


OCI = Form(
    repository="alpine",
    index="application/vnd.oci.image.index.v1+json",
    manifest="application/vnd.oci.image.manifest.v1+json",
    config="application/vnd.oci.image.config.v1+json",
    layer="application/vnd.oci.image.layer.v1.tar+gzip",
)
ZSTD = Form(
    repository="alpine-zstd",
    index=OCI.index,
    manifest=OCI.manifest,
    config=OCI.config,
    layer="application/vnd.oci.image.layer.v1.tar+zstd",
    make_layer=zstd_layer,
)
# The form before BuildKit: Docker's own media types, and only platforms in the list.
DOCKER = Form(
    repository="alpine-docker",
    index="application/vnd.docker.distribution.manifest.list.v2+json",
    manifest="application/vnd.docker.distribution.manifest.v2+json",
    config="application/vnd.docker.container.image.v1+json",
    layer="application/vnd.docker.image.rootfs.diff.tar.gzip",
    attested=False,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """A multi-platform image: the index itself, and the manifests it lists."""

    repository: str
    media_type: str
    blob: Blob
    manifests: tuple[Manifest, ...]


def index(release: Release, form: Form) -> Index:
    """*release* as one multi-platform image; the attestations come last, as BuildKit writes them."""
    images = tuple(_image(rootfs, form) for rootfs in release.rootfs)
    name = f"{form.repository}@{release.version}"
    attestations = tuple(
        attestation(image, rootfs, name) for image, rootfs in zip(images, release.rootfs, strict=True) if form.attested
    )
    listed = (*images, *attestations)
    document = {
        "schemaVersion": 2,
        "mediaType": form.index,
        "manifests": [entry.descriptor for entry in listed],
    }
    raw = blob(json.dumps(document, indent=2).encode())
    return Index(repository=form.repository, media_type=form.index, blob=raw, manifests=listed)


def _image(rootfs: Rootfs, form: Form) -> Manifest:
    layer = form.make_layer(rootfs)
    return manifest(
        media_type=form.manifest,
        config=(form.config, blob(json.dumps(_config(rootfs, layer)).encode())),
        layers=[(form.layer, layer.blob, {})],
        platform=_platform(rootfs),
    )


def _platform(rootfs: Rootfs) -> dict[str, str]:
    platform = {"architecture": rootfs.arch.oci, "os": "linux"}
    return platform | ({"variant": rootfs.arch.variant} if rootfs.arch.variant else {})


def _config(rootfs: Rootfs, layer: Layer) -> dict[str, Any]:
    """Return the configuration that BuildKit writes for Alpine's Dockerfile: ``FROM scratch``, ``ADD``, ``CMD``."""
    made = {"created": rootfs.created, "comment": "buildkit.dockerfile.v0"}
    return {
        **_platform(rootfs),
        "created": rootfs.created,
        "config": {"Env": [PATH], "Cmd": ["/bin/sh"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        "history": [
            {**made, "created_by": f"ADD {rootfs.path.name} / # buildkit"},
            {**made, "created_by": 'CMD ["/bin/sh"]', "empty_layer": True},
        ],
    }
