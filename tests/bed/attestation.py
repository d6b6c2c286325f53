"""Provenance attestations, which BuildKit lists beside the platforms, and which are not platforms.

Spec: https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.bed.layers import blob
from tests.bed.manifest import Manifest, manifest

if TYPE_CHECKING:
    from tests.bed.mirror import Rootfs

PROVENANCE = "https://slsa.dev/provenance/v0.2"


def attestation(image: Manifest, rootfs: Rootfs, name: str) -> Manifest:
    """Return the attestation of *image*, which has the *name* ``repository@tag`` and was built from *rootfs*."""
    statement = blob(json.dumps(_statement(image, rootfs, name)).encode())
    unknown = {"architecture": "unknown", "os": "unknown"}
    config = {**unknown, "config": {}, "rootfs": {"type": "layers", "diff_ids": [statement.digest]}}
    return manifest(
        media_type="application/vnd.oci.image.manifest.v1+json",
        config=("application/vnd.oci.image.config.v1+json", blob(json.dumps(config).encode())),
        layers=[("application/vnd.in-toto+json", statement, {"in-toto.io/predicate-type": PROVENANCE})],
        platform=unknown,
        annotations={
            "vnd.docker.reference.digest": image.blob.digest,
            "vnd.docker.reference.type": "attestation-manifest",
        },
    )


def _statement(image: Manifest, rootfs: Rootfs, name: str) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": PROVENANCE,
        "subject": [
            {
                "name": f"pkg:docker/{name}?platform={quote(rootfs.arch.platform, safe='')}",
                "digest": {"sha256": image.blob.digest.removeprefix("sha256:")},
            }
        ],
        "predicate": {
            "builder": {"id": ""},
            "buildType": "https://mobyproject.org/buildkit@v1",
            "materials": [{"uri": rootfs.path.name, "digest": {"sha256": rootfs.sha256}}],
        },
    }
