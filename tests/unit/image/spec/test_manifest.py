"""Manifests and indexes: what is read, and what is refused with which words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_alpine.errors import ImageError, ImageNotFound, MalformedImage, PlatformNotFound
from pytest_alpine.image.manifest_source import Published, manifest_source, published_manifests
from pytest_alpine.image.spec.documents import digest_of
from pytest_alpine.image.spec.manifest import Descriptor, Index, Manifest, parse_manifest
from pytest_alpine.platforms import Platform
from pytest_alpine.reference import Reference
from tests.support.images import Blob, BuiltImage, artifact, attestation, blobs_of, image, index, layer_tar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.images import Style

TAR = layer_tar({"etc/alpine-release": "3.20.3\n"})
AMD64 = image(TAR, platform="linux/amd64")
ARM64 = image(TAR, platform="linux/arm64/v8")
ARMV6 = image(TAR, platform="linux/arm/v6")
ARMV7 = image(TAR, platform="linux/arm/v7")
REFERENCE = Reference.parse("example.org/app:1")
D = "sha256:" + "a" * 64


class Documents:
    """Blobs by digest, and which of them were asked for."""

    def __init__(self, *blobs: Blob) -> None:
        self.blobs = {blob.digest: blob.data for blob in blobs}
        self.asked: list[str] = []

    def fetch(self, descriptor: Descriptor) -> bytes:
        self.asked.append(descriptor.digest)
        return self.blobs[descriptor.digest]


def root(blob: Blob) -> Descriptor:
    return Descriptor(digest=blob.digest, size=len(blob.data), annotations={})


def published(top: Blob, *images: BuiltImage, more: tuple[Blob, ...] = ()) -> list[str]:
    documents = Documents(top, *more, *(blob for built in images for blob in blobs_of(built)))
    return [str(platform) for platform in published_manifests([root(top)], documents.fetch, "app").manifests]


@pytest.mark.parametrize("style", ["oci", "docker"])
def test_index_lists_its_platforms_in_its_order(style: Style) -> None:
    images = [image(TAR, platform=p, style=style) for p in ("linux/arm64/v8", "linux/amd64", "linux/arm/v6")]
    assert published(index(images, style=style)) == ["linux/arm64", "linux/amd64", "linux/arm/v6"]


def test_attestations_and_other_systems_are_no_platforms() -> None:
    entry, _ = attestation(AMD64)
    windows = AMD64.manifest.descriptor(platform={"os": "windows", "architecture": "amd64"})
    by_annotation = {**entry, "platform": {"os": "linux", "architecture": "s390x"}}
    assert published(index([AMD64], more=[entry, windows, by_annotation])) == ["linux/amd64"]


SBOM = "application/spdx+json"
CHART = ("", "application/vnd.cncf.helm.config.v1+json")
FOREIGN = {
    "sbom": (artifact(SBOM), {}),
    "sbom-as-the-index-says": (artifact(), {"artifactType": SBOM}),
    "sbom-for-a-platform": (artifact(SBOM), {"artifactType": SBOM, "platform": AMD64.platform}),
    "chart": (artifact(*CHART, b'{"name": "app", "version": "1"}'), {}),
    "configuration-that-is-no-json": (artifact(*CHART, b"\x00"), {}),
    "configuration-of-an-image": (artifact("", "application/vnd.oci.image.config.v1+json"), {}),
    "manifest-that-is-no-json": ((Blob(data=b"\x00", media_type=AMD64.manifest.media_type), []), {}),
    "unknown-media-type": ((Blob(data=b"\x00", media_type="text/plain"), []), {}),
    "index-of-artifacts": (
        (index([], more=[artifact(SBOM)[0].descriptor()]), [artifact(SBOM)[0], *artifact(SBOM)[1]]),
        {},
    ),
    "another-index-that-is-broken": ((Blob(data=b"{", media_type=index([]).media_type), []), {}),
}


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_image_hides_none(foreign: tuple[tuple[Blob, list[Blob]], dict[str, object]], place: int) -> None:
    (manifest, blobs), more = foreign
    entries = [built.manifest.descriptor(platform=built.platform) for built in (AMD64, ARM64)]
    entries.insert(place, manifest.descriptor(**more))
    top = index([], more=entries)
    assert published(top, more=(manifest, *blobs)) == ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize(
    "entry",
    [7, {}, {**AMD64.manifest.descriptor(), "digest": "md5:00"}, {**AMD64.manifest.descriptor(), "platform": "linux"}],
    ids=["number", "empty", "digest", "platform"],
)
def test_a_broken_entry_hides_no_other(entry: Mapping[str, object]) -> None:
    assert published(index([ARM64], more=[entry])) == ["linux/arm64"]


def test_an_entry_whose_manifest_is_gone_hides_no_other() -> None:
    top = index([ARM64], more=[AMD64.manifest.descriptor()])
    documents = Documents(top)

    def fetch(descriptor: Descriptor) -> bytes:
        if descriptor.digest == AMD64.manifest.digest:
            raise ImageNotFound("app: no manifest")
        return documents.fetch(descriptor)

    found = published_manifests([root(top)], fetch, "app")
    assert list(found.manifests) == [Platform.parse("arm64")]
    with pytest.raises(PlatformNotFound) as caught:
        manifest_source(REFERENCE, Platform.parse("amd64"), found, fetch, unopened)
    assert str(caught.value) == (
        "example.org/app:1 is not published for linux/amd64 (published: linux/arm64; not readable: app: no manifest)"
    )


def test_a_server_that_fails_is_no_broken_entry() -> None:
    top = index([ARM64], more=[AMD64.manifest.descriptor()])

    def fetch(descriptor: Descriptor) -> bytes:
        if descriptor.digest == AMD64.manifest.digest:
            raise ImageError("the server answers 503")
        return top.data

    with pytest.raises(ImageError, match="503"):
        published_manifests([root(top)], fetch, "app")


def test_an_artifact_that_is_asked_for() -> None:
    manifest, blobs = artifact(SBOM)
    with pytest.raises(MalformedImage) as caught:
        published(manifest, more=tuple(blobs))
    assert str(caught.value) == f"app: no container image (an artifact of type {SBOM!r})"


def test_an_image_may_repeat_the_type_of_its_configuration() -> None:
    entry = ARMV7.manifest.descriptor(artifactType=ARMV7.config.media_type)
    assert published(index([], more=[entry]), ARMV7) == ["linux/arm/v7"]


def test_nested_indexes_are_followed() -> None:
    inner = index([ARM64, ARMV7])
    outer = index([AMD64], more=[inner.descriptor()])
    assert published(outer, more=(inner,)) == ["linux/amd64", "linux/arm64", "linux/arm/v7"]


def test_index_too_deep() -> None:
    blobs = [index([AMD64])]
    for _ in range(6):
        blobs.append(index([], more=[blobs[-1].descriptor()]))
    with pytest.raises(MalformedImage, match=r"indexes nested more than 5 deep"):
        published(blobs[-1], more=tuple(blobs))


def test_single_manifest_is_of_its_configurations_platform() -> None:
    assert published(ARMV6.manifest, ARMV6) == ["linux/arm/v6"]


def test_index_entry_without_platform_is_of_its_configurations_platform() -> None:
    top = index([], more=[ARMV7.manifest.descriptor()])
    assert published(top, ARMV7) == ["linux/arm/v7"]


def test_first_of_two_entries_for_one_platform_counts() -> None:
    other = image(TAR, layer_tar({"x": "y"}))
    documents = Documents(top := index([AMD64, other]))
    found = published_manifests([root(top)], documents.fetch, "app")
    assert found.manifests[Platform.parse("amd64")].digest == AMD64.manifest.digest


def test_image_of_one_platform() -> None:
    documents = Documents(*blobs_of(ARM64))
    manifests = Published(manifests={Platform.parse("arm64"): root(ARM64.manifest)})
    source = manifest_source(REFERENCE, Platform.parse("linux/arm64/v8"), manifests, documents.fetch, unopened)
    (layer,) = source.layers()
    assert (source.digest, source.raw_config()) == (ARM64.manifest.digest, ARM64.config.data)
    assert (layer.digest, layer.diff_id, layer.size) == (
        ARM64.layers[0].digest,
        ARM64.diff_ids[0],
        len(ARM64.layers[0].data),
    )
    assert layer.where == "example.org/app:1 linux/arm64, layer 0"


def unopened(descriptor: Descriptor) -> NoReturn:
    raise AssertionError(f"{descriptor} was opened")


@pytest.mark.parametrize(
    ("wanted", "there", "shown"),
    [
        ("linux/riscv64", [AMD64, ARM64], "linux/amd64, linux/arm64"),
        ("linux/arm/v6", [ARMV7], "linux/arm/v7"),
        ("linux/arm/v7", [ARMV6], "linux/arm/v6"),
        ("linux/386", [AMD64], "linux/amd64"),
        ("linux/amd64", [], "none"),
    ],
    ids=["architecture", "v7-is-not-v6", "v6-is-not-v7", "amd64-is-not-386", "nothing"],
)
def test_platform_that_is_not_published(wanted: str, there: list[BuiltImage], shown: str) -> None:
    documents = Documents(top := index(there))
    manifests = published_manifests([root(top)], documents.fetch, "app")
    with pytest.raises(PlatformNotFound) as caught:
        manifest_source(REFERENCE, Platform.parse(wanted), manifests, documents.fetch, unopened)
    assert str(caught.value) == f"example.org/app:1 is not published for {wanted} (published: {shown})"


GOOD = {"mediaType": "m", "digest": D, "size": 3}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"\x00", "w: not JSON: "),
        (b"[" * 100_000, "w: not JSON: "),
        (b"[]", "w: a JSON list (expected an object)"),
        ({}, "w: neither an image manifest nor an index (mediaType '')"),
        ({"mediaType": "x/y"}, "w: neither an image manifest nor an index (mediaType 'x/y')"),
        ({"schemaVersion": 1, "fsLayers": []}, "w: a manifest of Docker's schema 1"),
        ({"manifests": [], "layers": []}, "w: a manifest and an index at once"),
        ({"manifests": {}}, "w: field 'manifests' is {} (expected an array)"),
        ({"manifests": [7]}, "w, manifests[0]: 7 (expected an object)"),
        ({"manifests": [{}]}, "w, manifests[0]: field 'size' is missing (expected a number)"),
        ({"manifests": [{**GOOD, "size": -1}]}, "w, manifests[0]: size -1 (expected 0 or more bytes)"),
        ({"manifests": [{**GOOD, "size": True}]}, "w, manifests[0]: field 'size' is True (expected a number)"),
        ({"manifests": [{**GOOD, "platform": "linux"}]}, "w, manifests[0]: field 'platform' is 'linux'"),
        ({"config": GOOD}, "w: field 'layers' is missing (expected an array)"),
        ({"config": [], "layers": []}, "w: field 'config' is [] (expected an object)"),
        ({"config": {**GOOD, "digest": "sha256:../../x"}, "layers": []}, "w, config: invalid digest 'sha256:../../x'"),
        ({"config": GOOD, "layers": [{**GOOD, "digest": "md5:00"}]}, "w, layers[0]: invalid digest 'md5:00'"),
        ({"config": GOOD, "layers": [{**GOOD, "digest": None}]}, "w, layers[0]: invalid digest None"),
        ({"config": GOOD, "layers": [{**GOOD, "digest": D + "\n"}]}, "w, layers[0]: invalid digest"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value!r:.20}",
)
def test_what_is_no_manifest(document: Mapping[str, object] | bytes, message: str) -> None:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(MalformedImage) as caught:
        parse_manifest(data, "w")
    assert str(caught.value).startswith(message)


def test_media_type_is_optional() -> None:
    assert isinstance(parse_manifest(json.dumps({"manifests": []}).encode(), "w"), Index)
    assert isinstance(parse_manifest(json.dumps({"config": GOOD, "layers": []}).encode(), "w"), Manifest)


def built_with(config: Mapping[str, object]) -> tuple[Documents, Descriptor]:
    """Return a manifest of one layer whose configuration is *config*."""
    blob = Blob(data=json.dumps(config).encode(), media_type="application/vnd.oci.image.config.v1+json")
    layer = AMD64.layers[0].descriptor()
    data = json.dumps({"schemaVersion": 2, "config": blob.descriptor(), "layers": [layer]}).encode()
    manifest = Blob(data=data, media_type="application/vnd.oci.image.manifest.v1+json")
    return Documents(blob, manifest), root(manifest)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"rootfs": {"diff_ids": []}}, "1 layers in the manifest, 0 diff IDs in the configuration (expected as many)"),
        ({"rootfs": {"diff_ids": ["../x"]}}, "configuration: invalid digest '../x'"),
        ({"rootfs": {"diff_ids": 3}}, "configuration: field 'diff_ids' is 3 (expected an array)"),
        ({"chart": "helm"}, "configuration: no container image (field 'rootfs' is missing"),
    ],
    ids=["too-few", "not-a-digest", "not-an-array", "not-an-image"],
)
def test_configuration_that_does_not_fit(config: Mapping[str, object], message: str) -> None:
    documents, manifest = built_with(config)
    manifests = Published(manifests={Platform.parse("amd64"): manifest})
    with pytest.raises(MalformedImage) as caught:
        manifest_source(REFERENCE, Platform.parse("amd64"), manifests, documents.fetch, unopened).layers()
    assert message in str(caught.value)
    assert str(caught.value).startswith("example.org/app:1 linux/amd64")


def test_single_manifest_of_something_else() -> None:
    documents, manifest = built_with({"chart": "helm"})
    with pytest.raises(MalformedImage, match=r"no container image \(its configuration names no architecture\)"):
        published_manifests([manifest], documents.fetch, "app")


def test_digests_of_both_algorithms() -> None:
    assert digest_of(b"").startswith("sha256:e3b0c442")
    assert digest_of(b"", "sha512").startswith("sha512:cf83e135")
