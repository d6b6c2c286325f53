"""Multi-platform images as the test bed writes them."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from tests.bed import mirror
from tests.bed.images import DOCKER, OCI, ZSTD, Form, Index, index

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bed.layers import Blob
    from tests.bed.manifest import Manifest
    from tests.bed.mirror import Release

FORMS = pytest.mark.parametrize("form", [OCI, DOCKER, ZSTD], ids=["oci", "docker", "zstd"])


@pytest.fixture
def release(bed: Path, small_mirror: Path) -> Release:
    assert not bed.exists()
    return next(release for release in mirror.releases(small_mirror) if release.branch == "v3.20")


def _json(blob: Blob) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(blob.read())
    return document


def _images(built: Index) -> list[Manifest]:
    return [entry for entry in built.manifests if entry.descriptor["platform"]["os"] == "linux"]


@FORMS
def test_every_digest_and_size_is_right(release: Release, form: Form) -> None:
    built = index(release, form)
    for blob in (built.blob, *(part for entry in built.manifests for part in (entry.blob, *entry.refers_to))):
        data = blob.read()
        assert blob.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert blob.size == len(data)


@FORMS
def test_an_index_lists_its_manifests(release: Release, form: Form) -> None:
    built = index(release, form)
    document = _json(built.blob)
    assert document["mediaType"] == built.media_type == form.index
    assert [entry["digest"] for entry in document["manifests"]] == [entry.blob.digest for entry in built.manifests]
    assert [entry.descriptor["platform"] for entry in _images(built)] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm", "os": "linux", "variant": "v6"},
        {"architecture": "riscv64", "os": "linux"},
    ]


@FORMS
def test_a_config_says_what_is_in_the_layer(release: Release, form: Form) -> None:
    unpack = zstandard.ZstdDecompressor().decompress if form is ZSTD else gzip.decompress
    for entry in _images(index(release, form)):
        config, layer = entry.refers_to
        tar = unpack(layer.read())
        document = _json(config)
        assert document["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]}
        assert document["config"]["Cmd"] == ["/bin/sh"]
        assert {name: document.get(name) for name in entry.descriptor["platform"]} == entry.descriptor["platform"]
        assert [step.get("empty_layer", False) for step in document["history"]] == [False, True]


def test_the_gzip_layer_is_the_mirrors_own_file(release: Release) -> None:
    layers = [entry.refers_to[1].read() for entry in _images(index(release, OCI))]
    assert layers == [item.path.read_bytes() for item in release.rootfs]


def test_each_image_has_its_attestation(release: Release) -> None:
    built = index(release, OCI)
    images = _images(built)
    attestations = built.manifests[len(images) :]
    for image, attestation in zip(images, attestations, strict=True):
        assert attestation.descriptor["platform"] == {"architecture": "unknown", "os": "unknown"}
        assert attestation.descriptor["annotations"] == {
            "vnd.docker.reference.digest": image.blob.digest,
            "vnd.docker.reference.type": "attestation-manifest",
        }
        statement = _json(attestation.refers_to[1])
        assert f"sha256:{statement['subject'][0]['digest']['sha256']}" == image.blob.digest


def test_docker_lists_hold_platforms_only(release: Release) -> None:
    built = index(release, DOCKER)
    assert len(built.manifests) == len(_images(built)) == 3


@FORMS
def test_the_same_release_gives_the_same_digest(release: Release, form: Form) -> None:
    assert index(release, form).blob.digest == index(release, form).blob.digest
