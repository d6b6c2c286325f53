"""The transports oci: and oci-archive:, on layouts built in code."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings, strategies as st

from pytest_alpine.errors import AlpineError, DigestMismatch, ImageNotFound, MalformedImage, PlatformNotFound
from pytest_alpine.image.access import Access
from pytest_alpine.image.archives.oci import open_source, published
from pytest_alpine.image.image import Image
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import Platform
from pytest_alpine.reference import Reference
from tests.support.images import (
    Blob,
    BuiltImage,
    blobs_of,
    compress,
    image,
    index,
    layer_tar,
    whiteout,
    write_legacy_docker_archive,
    write_oci_archive,
    write_oci_layout,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.support.images import Compression, Style

AMD64, ARM64, ARM_V6 = map(Platform.parse, ("amd64", "arm64", "arm/v6"))
BASE = layer_tar({"etc/alpine-release": "3.20.3\n", "tmp/x": "gone"})
UPPER = layer_tar({whiteout("tmp/x"): "", "srv/app": b"\x7fELF"})
SMALL = image(BASE, UPPER)
OTHER = image(layer_tar({"etc/alpine-release": "3.21.0_alpha20240923\n"}))


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(Store(tmp_path / "store"))


def opened(text: str, access: Access, platform: Platform = AMD64) -> Image:
    return Image(open_source(Reference.parse(text), platform, access), access)


def refused(text: str, access: Access, platform: Platform = AMD64) -> str:
    """Return the message with which the image is refused, its folder taken out."""
    with pytest.raises(AlpineError) as caught:
        opened(text, access, platform).stored_layers  # noqa: B018 - reading is the point
    return str(caught.value).replace(str(access.store.root.parent) + os.sep, "")


def rewritten(folder: Path, name: str, change: Callable[[Any], None]) -> None:
    document = json.loads((folder / name).read_bytes())
    change(document)
    (folder / name).write_text(json.dumps(document))


def blob_path(folder: Path, digest: str) -> Path:
    return folder / "blobs" / digest.replace(":", "/")


@pytest.mark.parametrize("style", ["oci", "docker"])
@pytest.mark.parametrize("compression", ["gzip", "zstd", "plain"])
@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
def test_reads_layers_configuration_and_digests(
    tmp_path: Path, access: Access, transport: str, compression: Compression, style: Style
) -> None:
    built = image(BASE, UPPER, compression=compression, style=style)
    write = write_oci_layout if transport == "oci" else write_oci_archive
    digests = write(tmp_path / "it", {"3.20": [built]})
    read = opened(f"{transport}:{tmp_path}/it:3.20", access)
    assert (read.digest, read.id, read.raw_config) == (digests["3.20"], built.config.digest, built.config.data)
    assert [layer.diff_id for layer in read.stored_layers] == built.diff_ids
    assert read.rootfs.read("/etc/alpine-release") == b"3.20.3\n"
    assert not read.rootfs.exists("/tmp/x")
    assert read.size.compressed == sum(len(layer.data) for layer in built.layers)
    assert str(read.layers[1].where) == f"{transport}:{tmp_path}/it:3.20 linux/amd64, layer 1"


@pytest.mark.parametrize("attested", [False, True], ids=["plain", "attested"])
@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
def test_platforms_of_an_index_without_its_attestations(
    tmp_path: Path, access: Access, transport: str, attested: bool
) -> None:
    images = [image(BASE, platform=name) for name in ("linux/amd64", "linux/arm/v6", "linux/arm64/v8")]
    write = write_oci_layout if transport == "oci" else write_oci_archive
    write(tmp_path / "it", {"3.20": images}, attested=attested)
    text = f"{transport}:{tmp_path}/it:3.20"
    assert published(Reference.parse(text), access) == (AMD64, ARM_V6, ARM64)
    for platform, built in zip((AMD64, ARM_V6, ARM64), images, strict=True):
        assert opened(text, access, platform).id == built.config.digest
    assert refused(text, access, Platform.parse("s390x")) == (
        f"{transport}:it:3.20 is not published for linux/s390x (published: linux/amd64, linux/arm/v6, linux/arm64)"
    )


def test_an_index_within_an_index(tmp_path: Path, access: Access) -> None:
    inner = index([SMALL, image(BASE, platform="linux/s390x")])
    outer = Blob(
        data=json.dumps({"schemaVersion": 2, "manifests": [inner.descriptor()]}).encode(), media_type=inner.media_type
    )
    write_oci_layout(tmp_path / "it", {"x": [SMALL, image(BASE, platform="linux/s390x")]})
    blob_path(tmp_path / "it", outer.digest).write_bytes(outer.data)
    rewritten(tmp_path / "it", "index.json", lambda top: top.update(manifests=[outer.descriptor()]))
    assert published(Reference.parse(f"oci:{tmp_path}/it"), access) == (AMD64, Platform.parse("s390x"))


def test_index_json_itself_may_list_the_platforms(tmp_path: Path, access: Access) -> None:
    images = [SMALL, image(BASE, platform="linux/arm/v6")]
    write_oci_layout(tmp_path / "it", {"x": images})
    entries = [built.manifest.descriptor(platform=built.platform) for built in images]
    rewritten(tmp_path / "it", "index.json", lambda top: top.update(manifests=entries))
    assert published(Reference.parse(f"oci:{tmp_path}/it"), access) == (AMD64, ARM_V6)


def test_an_index_may_name_more_platforms_than_were_copied(tmp_path: Path, access: Access) -> None:
    absent = image(BASE, platform="linux/arm64")
    write_oci_layout(tmp_path / "it", {"x": [SMALL, absent]})
    blob_path(tmp_path / "it", absent.manifest.digest).unlink()
    assert published(Reference.parse(f"oci:{tmp_path}/it"), access) == (AMD64,)
    assert refused(f"oci:{tmp_path}/it", access, ARM64) == (
        "oci:it is not published for linux/arm64 (published: linux/amd64)"
    )
    blob_path(tmp_path / "it", SMALL.manifest.digest).unlink()
    assert refused(f"oci:{tmp_path}/it", access) == (
        f"oci:it: the index names {SMALL.manifest.digest}, {absent.manifest.digest}, but none of these blobs is there"
    )


@pytest.mark.parametrize(
    ("annotations", "asked"),
    [
        pytest.param({"org.opencontainers.image.ref.name": "3.20"}, "3.20", id="tag"),
        pytest.param({"org.opencontainers.image.ref.name": "acme/app:3.20"}, "3.20", id="name-and-tag"),
        pytest.param(
            {"org.opencontainers.image.ref.name": "localhost/acme/app:3.20"}, "localhost/acme/app:3.20", id="whole-name"
        ),
        pytest.param({"org.opencontainers.image.ref.name": "localhost/app:3.20"}, "app:3.20", id="as-engines-show-it"),
        pytest.param({"io.containerd.image.name": "docker.io/library/alpine:3.20"}, "3.20", id="containerd"),
        pytest.param(
            {
                "io.containerd.image.name": "docker.io/acme/app:3.20",
                "org.opencontainers.image.ref.name": "3.20",
            },
            "3.20",
            id="buildkit",
        ),
        pytest.param({"org.opencontainers.image.ref.name": "3.20"}, None, id="the-only-one"),
        pytest.param({}, None, id="no-name"),
    ],
)
def test_finds_the_tag(tmp_path: Path, access: Access, annotations: Mapping[str, str], asked: str | None) -> None:
    write_oci_layout(tmp_path / "it", {"x": [SMALL]})
    rewritten(tmp_path / "it", "index.json", lambda top: top["manifests"][0].update(annotations=dict(annotations)))
    assert opened(f"oci:{tmp_path}/it" + (f":{asked}" if asked else ""), access).id == SMALL.config.digest


def test_two_tags_of_one_image_need_no_choice(tmp_path: Path, access: Access) -> None:
    write_oci_layout(tmp_path / "it", {"3.20": [SMALL], "latest": [SMALL]})
    assert opened(f"oci:{tmp_path}/it", access).id == SMALL.config.digest


@pytest.mark.parametrize(
    ("tags", "asked", "message"),
    [
        pytest.param(
            ("3.20", "edge"), ":3.21", "oci:it:3.21: no image has the tag '3.21' (there: 3.20, edge)", id="unknown"
        ),
        pytest.param(("",), ":3.21", "oci:it:3.21: no image has the tag '3.21' (there: none has a tag)", id="no-tags"),
        pytest.param(
            ("3.20", "edge"), "", "oci:it: several images, and no tag says which (there: 3.20, edge)", id="which"
        ),
        pytest.param(
            ("a:1", "b:1"), ":1", "oci:it:1: several images have the tag '1' (there: a:1, b:1)", id="one-tag-two-names"
        ),
        pytest.param(
            ("3.20", ""),
            "",
            f"oci:it: several images, and no tag says which (there: 3.20, {OTHER.manifest.digest[:19]})",
            id="one-without-name",
        ),
    ],
)
def test_tags_that_name_no_image(
    tmp_path: Path, access: Access, tags: tuple[str, ...], asked: str, message: str
) -> None:
    write_oci_layout(tmp_path / "it", dict(zip(tags, ([SMALL], [OTHER]), strict=False)))
    assert refused(f"oci:{tmp_path}/it{asked}", access) == message
    with pytest.raises(ImageNotFound):
        published(Reference.parse(f"oci:{tmp_path}/it{asked}"), access)


def test_archive_of_docker_save(tmp_path: Path, access: Access) -> None:
    write_legacy_docker_archive(tmp_path / "it.tar", {"a:1": SMALL})
    assert refused(f"oci-archive:{tmp_path}/it.tar", access) == (
        "oci-archive:it.tar: no index.json (expected an OCI image layout); "
        "it was written by docker save: write docker-archive:it.tar"
    )


def test_folder_of_podman_save_docker_dir(tmp_path: Path, access: Access) -> None:
    folder = tmp_path / "it"
    folder.mkdir()
    (folder / "manifest.json").write_bytes(SMALL.manifest.data)
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    expected = "oci:it: no index.json (expected an OCI image layout); "
    assert refused(f"oci:{folder}", access) == (
        f"{expected}it holds an image of the transport dir: save it anew with --format oci-dir, "
        "or copy it: skopeo copy dir:it oci:FOLDER"
    )
    (folder / "version").unlink()
    assert refused(f"oci:{folder}", access) == (
        f"{expected}it is an unpacked docker save: pack it, tar -C it -cf FILE ., and write docker-archive:FILE"
    )


def remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def write(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(data)


def remove_blob(blob: Blob) -> Callable[[Path], object]:
    return lambda folder: blob_path(folder, blob.digest).unlink()


def flip(blob: Blob) -> Callable[[Path], object]:
    data = bytearray(blob.data)
    data[len(data) // 2] ^= 1
    return lambda folder: blob_path(folder, blob.digest).write_bytes(data)


def cut(blob: Blob) -> Callable[[Path], object]:
    return lambda folder: blob_path(folder, blob.digest).write_bytes(blob.data[:-9])


def digest_text(text: str) -> Callable[[Path], object]:
    return lambda folder: rewritten(folder, "index.json", lambda top: top["manifests"][0].update(digest=text))


LAYER, MANIFEST, CONFIG = SMALL.layers[0], SMALL.manifest, SMALL.config


def flipped_digest(blob: Blob) -> str:
    data = bytearray(blob.data)
    data[len(data) // 2] ^= 1
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


REPLACED = "the bytes were damaged or replaced on their way"
HEX = "expected sha256: and 64 hexadecimal digits"

BROKEN = [
    pytest.param(
        remove("index.json"), MalformedImage, "oci:it: no index.json (expected an OCI image layout)", id="no-index"
    ),
    pytest.param(
        write("index.json", b"{"),
        MalformedImage,
        "oci:it, index.json: not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        id="index-not-json",
    ),
    pytest.param(
        write("index.json", b'{"manifests": []}'),
        MalformedImage,
        "oci:it, index.json: names no image",
        id="empty-index",
    ),
    pytest.param(
        write("index.json", b'{"manifests": null}'),
        MalformedImage,
        "oci:it, index.json: field 'manifests' is None (expected an array)",
        id="null-index",
    ),
    pytest.param(
        write("index.json", MANIFEST.data),
        MalformedImage,
        "oci:it, index.json: a manifest (expected an index)",
        id="manifest-as-index",
    ),
    pytest.param(
        digest_text("sha256:../../../etc/passwd"),
        MalformedImage,
        f"oci:it, index.json, manifests[0]: invalid digest 'sha256:../../../etc/passwd' ({HEX})",
        id="digest-leads-out",
    ),
    pytest.param(
        digest_text("md5:d41d8cd98f00b204e9800998ecf8427e"),
        MalformedImage,
        f"oci:it, index.json, manifests[0]: invalid digest 'md5:d41d8cd98f00b204e9800998ecf8427e' ({HEX})",
        id="unknown-algorithm",
    ),
    pytest.param(
        remove_blob(MANIFEST),
        MalformedImage,
        f"oci:it: blob {MANIFEST.digest} is named, but is not there",
        id="no-manifest",
    ),
    pytest.param(
        remove_blob(CONFIG), MalformedImage, f"oci:it: blob {CONFIG.digest} is named, but is not there", id="no-config"
    ),
    pytest.param(
        remove_blob(LAYER), MalformedImage, f"oci:it: blob {LAYER.digest} is named, but is not there", id="no-layer"
    ),
    pytest.param(
        flip(MANIFEST),
        DigestMismatch,
        f"oci:it, blobs/{MANIFEST.digest.replace(':', '/')}: the digest is {flipped_digest(MANIFEST)}, "
        f"expected {MANIFEST.digest}: {REPLACED}",
        id="flipped-manifest",
    ),
    pytest.param(
        flip(CONFIG),
        DigestMismatch,
        f"oci:it, blobs/{CONFIG.digest.replace(':', '/')}: the digest is {flipped_digest(CONFIG)}, "
        f"expected {CONFIG.digest}: {REPLACED}",
        id="flipped-config",
    ),
    pytest.param(
        flip(LAYER),
        DigestMismatch,
        f"oci:it linux/amd64, layer 0: the digest is {flipped_digest(LAYER)}, expected {LAYER.digest}: {REPLACED}",
        id="flipped-layer",
    ),
    pytest.param(
        cut(LAYER),
        MalformedImage,
        f"oci:it: blob {LAYER.digest} has {len(LAYER.data) - 9} bytes (expected {len(LAYER.data)})",
        id="cut-layer",
    ),
    pytest.param(
        cut(CONFIG),
        MalformedImage,
        f"oci:it: blob {CONFIG.digest} has {len(CONFIG.data) - 9} bytes (expected {len(CONFIG.data)})",
        id="cut-config",
    ),
]


@pytest.mark.parametrize(("broken", "kind", "message"), BROKEN)
def test_broken_layouts(
    tmp_path: Path, access: Access, broken: Callable[[Path], object], kind: type[AlpineError], message: str
) -> None:
    write_oci_layout(tmp_path / "it", {"": [SMALL]})
    broken(tmp_path / "it")
    assert refused(f"oci:{tmp_path}/it", access) == message
    with pytest.raises(kind):
        opened(f"oci:{tmp_path}/it", access).stored_layers  # noqa: B018 - reading is the point
    assert not list(access.store.root.glob("layers/*/*"))[2:], "nothing of a broken layer is kept"


@pytest.mark.parametrize(
    ("media_type", "shown"),
    [
        (
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            "'application/vnd.oci.image.layer.v1.tar+gzip+encrypted'",
        ),
        ("application/vnd.cncf.helm.chart.content.v1", "'application/vnd.cncf.helm.chart.content.v1'"),
        ("application/vnd.in-toto+json", "'application/vnd.in-toto+json'"),
    ],
    ids=["encrypted", "helm", "attestation"],
)
def test_unsupported_media_types(tmp_path: Path, access: Access, media_type: str, shown: str) -> None:
    layer = Blob(data=SMALL.layers[0].data, media_type=media_type)
    manifest = Blob(
        data=json.dumps(
            {"schemaVersion": 2, "config": SMALL.config.descriptor(), "layers": [layer.descriptor()]}
        ).encode(),
        media_type=SMALL.manifest.media_type,
    )
    strange = BuiltImage(tars=SMALL.tars[:1], layers=(layer,), config=SMALL.config, manifest=manifest)
    write_oci_layout(tmp_path / "it", {"": [strange]})
    assert refused(f"oci:{tmp_path}/it", access) == (
        f"oci:it linux/amd64, layer 0: unsupported media type {shown} (expected a tar, plain, gzip or zstd)"
    )


def test_a_document_too_large_to_be_one(tmp_path: Path, access: Access) -> None:
    write_oci_layout(tmp_path / "it", {"": [SMALL]})
    rewritten(tmp_path / "it", "index.json", lambda top: top["manifests"][0].update(size=9 << 20))
    assert refused(f"oci:{tmp_path}/it", access) == (
        f"oci:it: document {SMALL.manifest.digest} of {9 << 20} bytes (too large)"
    )


def test_a_blob_that_cannot_be_read(tmp_path: Path, access: Access) -> None:
    write_oci_layout(tmp_path / "it", {"": [SMALL]})
    read = opened(f"oci:{tmp_path}/it", access)
    opener = read.layers[0].open()
    path = blob_path(tmp_path / "it", SMALL.layers[0].digest)
    path.rename(path.with_suffix(".moved"))
    with pytest.raises(MalformedImage, match=f"blob {SMALL.layers[0].digest} is named, but is not there"), opener:
        pass
    path.symlink_to(path.name)
    assert "is named, but is not there" in refused(f"oci:{tmp_path}/it", access)


def test_an_image_of_no_layers(tmp_path: Path, access: Access) -> None:
    write_oci_layout(tmp_path / "it", {"": [image()]})
    assert refused(f"oci:{tmp_path}/it", access) == ("oci:it (linux/amd64) has no layers (expected at least one)")


@pytest.mark.parametrize("compression", ["gzip", "zstd", "plain"])
def test_an_empty_layer(tmp_path: Path, access: Access, compression: Compression) -> None:
    built = image(BASE, bytes(1024), compression=compression)
    write_oci_layout(tmp_path / "it", {"": [built]})
    read = opened(f"oci:{tmp_path}/it", access)
    assert read.stored_layers[1].changeset.added == ()
    assert read.rootfs.exists("/etc/alpine-release")


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("oci:{}/absent", ImageNotFound, "oci:absent: no such folder"),
        ("oci-archive:{}/absent", ImageNotFound, "oci-archive:absent: no such file"),
        ("oci:{}/archive", MalformedImage, "oci:archive: a file (for an archive, write oci-archive:archive)"),
        ("oci-archive:{}/folder", MalformedImage, "oci-archive:folder: a folder (for a folder, write oci:folder)"),
        ("oci-archive:{}/fifo", MalformedImage, "oci-archive:fifo: not a regular file (expected a tar archive)"),
    ],
    ids=["no-folder", "no-file", "file-as-folder", "folder-as-file", "fifo"],
)
def test_places_that_hold_no_layout(
    tmp_path: Path, access: Access, text: str, kind: type[AlpineError], message: str
) -> None:
    write_oci_layout(tmp_path / "folder", {"": [SMALL]})
    write_oci_archive(tmp_path / "archive", {"": [SMALL]})
    os.mkfifo(tmp_path / "fifo")
    assert refused(text.format(tmp_path), access) == message
    with pytest.raises(kind):
        opened(text.format(tmp_path), access)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compressed_archives(tmp_path: Path, access: Access, compression: Compression) -> None:
    write_oci_archive(tmp_path / "it.tar", {"": [SMALL]})
    (tmp_path / "it.tar").write_bytes(compress((tmp_path / "it.tar").read_bytes(), compression))
    read = opened(f"oci-archive:{tmp_path}/it.tar", access)
    assert read.rootfs.read("/srv/app") == b"\x7fELF"
    assert not list((access.store.root / "incoming").iterdir()), "the scratch file has no name"


def test_names_with_a_leading_dot(tmp_path: Path, access: Access) -> None:
    write_oci_layout(tmp_path / "folder", {"": [SMALL]})
    subprocess.run(["tar", "-C", tmp_path / "folder", "-cf", tmp_path / "it.tar", "."], check=True)
    assert opened(f"oci-archive:{tmp_path}/it.tar", access).id == SMALL.config.digest


def test_a_second_read_opens_no_layer(tmp_path: Path, access: Access) -> None:
    write_oci_layout(tmp_path / "it", {"": [SMALL]})
    opened(f"oci:{tmp_path}/it", access).stored_layers  # noqa: B018 - reading is the point
    for blob in SMALL.layers:
        blob_path(tmp_path / "it", blob.digest).unlink()
    assert opened(f"oci:{tmp_path}/it", access).rootfs.exists("/srv/app")


ARCHIVE = io.BytesIO()
with tarfile.open(fileobj=ARCHIVE, mode="w") as _tar:
    for _blob in blobs_of(SMALL):
        _info = tarfile.TarInfo(f"blobs/{_blob.digest.replace(':', '/')}")
        _info.size = len(_blob.data)
        _tar.addfile(_info, io.BytesIO(_blob.data))
    _index = json.dumps({"schemaVersion": 2, "manifests": [SMALL.manifest.descriptor()]}).encode()
    _info = tarfile.TarInfo("index.json")
    _info.size = len(_index)
    _tar.addfile(_info, io.BytesIO(_index))
WHOLE = ARCHIVE.getvalue()
PACKED = zstandard.ZstdCompressor().compress(WHOLE)
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def read_or_refused(tmp_path: Path, data: bytes) -> None:
    """Read the archive *data*: it is what it was, or refused with an error of ours."""
    access = Access(Store(tmp_path / f"store-{hashlib.sha256(data).hexdigest()}"))
    (tmp_path / "it.tar").write_bytes(data)
    try:
        read = opened(f"oci-archive:{tmp_path}/it.tar", access)
        diff_ids = [layer.diff_id for layer in read.stored_layers]
    except AlpineError:
        return
    assert (read.id, diff_ids) == (SMALL.config.digest, SMALL.diff_ids)


@ONE_FOLDER
@given(end=st.integers(0, len(WHOLE) - 1))
def test_archives_cut_anywhere(tmp_path: Path, end: int) -> None:
    read_or_refused(tmp_path, WHOLE[:end])


@ONE_FOLDER
@given(end=st.integers(0, len(PACKED) - 1))
def test_compressed_archives_cut_anywhere(tmp_path: Path, end: int) -> None:
    read_or_refused(tmp_path, PACKED[:end])


@ONE_FOLDER
@given(place=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
def test_archives_with_a_flipped_bit(tmp_path: Path, place: int, bit: int) -> None:
    data = bytearray(WHOLE)
    data[place] ^= 1 << bit
    read_or_refused(tmp_path, bytes(data))


def test_platform_not_found_is_an_error_of_its_own(tmp_path: Path, access: Access) -> None:
    write_oci_layout(tmp_path / "it", {"": [SMALL]})
    with pytest.raises(PlatformNotFound):
        opened(f"oci:{tmp_path}/it", access, ARM64)
