"""The transport docker-archive:, on archives built in code as the versions of Docker write them."""

from __future__ import annotations

import bz2
import hashlib
import json
import lzma
import os
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from pytest_alpine.errors import AlpineError, DigestMismatch, ImageNotFound, MalformedImage, PlatformNotFound
from pytest_alpine.image.access import Access
from pytest_alpine.image.archives.docker_archive import open_source, published
from pytest_alpine.image.image import Image
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import Platform
from pytest_alpine.reference import Reference
from tests.support.images import (
    Symlink,
    compress,
    image,
    layer_tar,
    whiteout,
    write_docker_archive,
    write_legacy_docker_archive,
    write_oci_archive,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.images import BuiltImage, Compression, Node

AMD64, ARM64 = map(Platform.parse, ("amd64", "arm64"))
BASE = layer_tar({"etc/alpine-release": "3.20.3\n", "tmp/x": "gone"})
UPPER = layer_tar({whiteout("tmp/x"): "", "srv/app": b"\x7fELF"})
SMALL = image(BASE, UPPER, compression="plain", style="docker")
OTHER = image(BASE, platform="linux/arm/v6", compression="plain", style="docker")
WRITERS = [
    pytest.param(write_legacy_docker_archive, id="docker-24"),
    pytest.param(write_docker_archive, id="docker-25"),
]
Files = dict[str, bytes]


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


def unpacked(path: Path) -> Files:
    """Return the files of the tar at *path*; links become the files that they lead to."""
    with tarfile.open(path) as tar:
        return {member.name: _content(tar, member) for member in tar.getmembers() if not member.isdir()}


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    assert stream is not None
    return stream.read()


def changed(path: Path, change: Callable[[Files], object]) -> None:
    """Write the tar at *path* anew, its files changed."""
    files = unpacked(path)
    change(files)
    path.write_bytes(layer_tar(files))


def rows_of(path: Path) -> Any:  # noqa: ANN401 - a document of any form
    return json.loads(unpacked(path)["manifest.json"])


@pytest.mark.parametrize("outer", ["plain", "gzip", "zstd"])
@pytest.mark.parametrize("write", WRITERS)
def test_reads_layers_and_configuration(
    tmp_path: Path, access: Access, write: Callable[[Path, Mapping[str, BuiltImage]], None], outer: Compression
) -> None:
    write(tmp_path / "it.tar", {"acme/app:1.2": SMALL})
    (tmp_path / "it.tar").write_bytes(compress((tmp_path / "it.tar").read_bytes(), outer))
    read = opened(f"docker-archive:{tmp_path}/it.tar", access)
    assert (read.id, read.raw_config) == (SMALL.config.digest, SMALL.config.data)
    assert [layer.diff_id for layer in read.stored_layers] == SMALL.diff_ids
    assert read.rootfs.read("/etc/alpine-release") == b"3.20.3\n"
    assert not read.rootfs.exists("/tmp/x")
    assert published(Reference.parse(f"docker-archive:{tmp_path}/it.tar"), access) == (AMD64,)


@pytest.mark.parametrize("compression", ["plain", "gzip", "zstd"])
def test_measures_the_layers_as_they_are_stored(tmp_path: Path, access: Access, compression: Compression) -> None:
    built = image(BASE, UPPER, compression=compression)
    write_docker_archive(tmp_path / "it.tar", {"a:1": built})
    read = opened(f"docker-archive:{tmp_path}/it.tar", access)
    assert read.size.compressed == sum(len(layer.data) for layer in built.layers)
    assert read.size.unpacked == len(b"3.20.3\n") + len(b"gone") + len(b"\x7fELF")
    assert read.digest == built.manifest.digest


@pytest.mark.parametrize("compression", ["plain", "gzip", "zstd"])
def test_layers_are_told_by_their_bytes(tmp_path: Path, access: Access, compression: Compression) -> None:
    write_legacy_docker_archive(tmp_path / "it.tar", {"a:1": SMALL})
    packed = {f"{'0' * 64}/layer.tar": compress(BASE, compression), f"{'1' * 64}/layer.tar": UPPER}
    row = {"Config": f"{SMALL.config.digest[7:]}.json", "Layers": list(packed)}
    changed(tmp_path / "it.tar", lambda files: files.update(packed | {"manifest.json": json.dumps([row]).encode()}))
    read = opened(f"docker-archive:{tmp_path}/it.tar", access)
    assert read.rootfs.exists("/srv/app")
    assert read.size.compressed == sum(map(len, packed.values()))
    assert read.digest is None


def test_a_layer_that_is_used_twice_is_stored_once(tmp_path: Path, access: Access) -> None:
    twice = image(BASE, UPPER, BASE, compression="plain")
    write_legacy_docker_archive(tmp_path / "it.tar", {"a:1": SMALL, "b:1": twice})
    read = opened(f"docker-archive:{tmp_path}/it.tar:b:1", access)
    assert [layer.diff_id for layer in read.stored_layers] == twice.diff_ids
    assert read.rootfs.exists("/tmp/x")


def test_layers_behind_links_as_skopeo_writes_them(tmp_path: Path, access: Access) -> None:
    name = f"{SMALL.config.digest[7:]}.json"
    row = {"Config": name, "RepoTags": ["a:1"], "Layers": ["0/layer.tar", "1/layer.tar"]}
    members: dict[str, Node] = {
        "base.tar": BASE,
        "upper.tar": UPPER,
        name: SMALL.config.data,
        "0/layer.tar": Symlink("../base.tar"),
        "1/layer.tar": Symlink("../0/../upper.tar"),
        "manifest.json": json.dumps([row]),
    }
    (tmp_path / "it.tar").write_bytes(layer_tar(members))
    assert opened(f"docker-archive:{tmp_path}/it.tar", access).rootfs.exists("/srv/app")


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("acme/app:1.2", "1.2"),
        ("acme/app:1.2", "acme/app:1.2"),
        ("docker.io/library/alpine:1.2", "alpine:1.2"),
        ("alpine:1.2", "docker.io/library/alpine:1.2"),
        ("localhost/app:1.2", "app:1.2"),
        ("localhost:5000/app:1.2", "localhost:5000/app:1.2"),
    ],
)
def test_finds_the_tag(
    tmp_path: Path, access: Access, write: Callable[[Path, Mapping[str, BuiltImage]], None], name: str, asked: str
) -> None:
    write(tmp_path / "it.tar", {"other:1": OTHER, name: SMALL})
    assert opened(f"docker-archive:{tmp_path}/it.tar:{asked}", access).id == SMALL.config.digest


@pytest.mark.parametrize(
    ("names", "asked", "message"),
    [
        pytest.param(
            ("a:1", "b:2"),
            "",
            "docker-archive:it.tar: several images, and no tag says which (there: a:1, b:2)",
            id="which",
        ),
        pytest.param(
            ("a:1", "b:2"),
            ":3",
            "docker-archive:it.tar:3: no image has the tag '3' (there: a:1, b:2)",
            id="unknown",
        ),
        pytest.param(
            ("a:1", "b:2"),
            ":a:2",
            "docker-archive:it.tar:a:2: no image has the tag 'a:2' (there: a:1, b:2)",
            id="tag-of-another-name",
        ),
        pytest.param(
            ("",), ":1", "docker-archive:it.tar:1: no image has the tag '1' (there: none has a tag)", id="no-tags"
        ),
        pytest.param(
            ("a:1", "b:1"),
            ":1",
            "docker-archive:it.tar:1: several images have the tag '1' (there: a:1, b:1)",
            id="one-tag-two-names",
        ),
    ],
)
def test_tags_that_name_no_image(
    tmp_path: Path, access: Access, names: tuple[str, ...], asked: str, message: str
) -> None:
    for write in (write_legacy_docker_archive, write_docker_archive):
        write(tmp_path / "it.tar", dict(zip(names, (SMALL, OTHER), strict=False)))
        assert refused(f"docker-archive:{tmp_path}/it.tar{asked}", access) == message
        with pytest.raises(ImageNotFound):
            published(Reference.parse(f"docker-archive:{tmp_path}/it.tar{asked}"), access)


@pytest.mark.parametrize("write", WRITERS)
def test_a_platform_that_is_not_there(
    tmp_path: Path, access: Access, write: Callable[[Path, Mapping[str, BuiltImage]], None]
) -> None:
    write(tmp_path / "it.tar", {"a:1": OTHER})
    assert refused(f"docker-archive:{tmp_path}/it.tar", access) == (
        "docker-archive:it.tar is not published for linux/amd64 (published: linux/arm/v6)"
    )
    with pytest.raises(PlatformNotFound):
        opened(f"docker-archive:{tmp_path}/it.tar", access)


def test_several_platforms_of_one_tag_in_rows(tmp_path: Path, access: Access) -> None:
    write_legacy_docker_archive(tmp_path / "it.tar", {"a:1": SMALL, "b:1": OTHER})
    rows = [row | {"RepoTags": ["a:1"]} for row in rows_of(tmp_path / "it.tar")]
    changed(tmp_path / "it.tar", lambda files: files.update({"manifest.json": json.dumps(rows).encode()}))
    text = f"docker-archive:{tmp_path}/it.tar:1"
    assert published(Reference.parse(text), access) == (AMD64, Platform.parse("arm/v6"))
    assert opened(text, access, Platform.parse("arm/v6")).id == OTHER.config.digest


def test_several_platforms_as_a_containerd_store_saves_them(tmp_path: Path, access: Access) -> None:
    images = [image(BASE), image(BASE, platform="linux/arm64")]
    write_oci_archive(tmp_path / "it.tar", {"docker.io/library/app:1": images}, attested=True)
    row = {
        "Config": f"blobs/sha256/{images[0].config.digest[7:]}",
        "RepoTags": ["app:1"],
        "Layers": [f"blobs/sha256/{images[0].layers[0].digest[7:]}"],
    }
    changed(tmp_path / "it.tar", lambda files: files.update({"manifest.json": json.dumps([row]).encode()}))
    text = f"docker-archive:{tmp_path}/it.tar:app:1"
    assert published(Reference.parse(text), access) == (AMD64, ARM64)
    assert opened(text, access, ARM64).digest == images[1].manifest.digest


def test_an_oci_archive_alone_will_do(tmp_path: Path, access: Access) -> None:
    write_oci_archive(tmp_path / "it.tar", {"1": [SMALL]})
    assert opened(f"docker-archive:{tmp_path}/it.tar:1", access).id == SMALL.config.digest


@pytest.mark.parametrize(
    "broken",
    [b'{"schemaVersion":2,"manifests":null}', b'{"schemaVersion":2,"manifests":[]}', b"{"],
    ids=["null", "empty", "not-json"],
)
def test_manifest_json_stands_in_for_a_broken_index(tmp_path: Path, access: Access, broken: bytes) -> None:
    """Docker 25.0 writes such an index for an image that is saved by its digest."""
    write_docker_archive(tmp_path / "it.tar", {"a:1": SMALL})
    changed(tmp_path / "it.tar", lambda files: files.update({"index.json": broken}))
    read = opened(f"docker-archive:{tmp_path}/it.tar:a:1", access)
    assert (read.id, read.digest) == (SMALL.config.digest, None)
    assert read.rootfs.exists("/srv/app")


CONFIG_NAME = f"{SMALL.config.digest[7:]}.json"


def row(**fields: object) -> Callable[[Files], object]:
    """Return a change of the first image of manifest.json."""

    def change(files: Files) -> None:
        rows = json.loads(files["manifest.json"])
        rows[0] |= fields
        files["manifest.json"] = json.dumps(rows).encode()

    return change


def config(**fields: object) -> Callable[[Files], object]:
    """Return a change of the configuration, under a name that promises no digest."""

    def change(files: Files) -> None:
        files["config.json"] = json.dumps(json.loads(files[CONFIG_NAME]) | fields).encode()
        row(Config="config.json")(files)

    return change


def flipped(data: bytes) -> bytes:
    return bytes([*data[:-9], data[-9] ^ 1, *data[-8:]])


def first_layer(files: Files) -> str:
    return str(json.loads(files["manifest.json"])[0]["Layers"][0])


FLIPPED_CONFIG = hashlib.sha256(flipped(SMALL.config.data)).hexdigest()
FLIPPED_LAYER = hashlib.sha256(flipped(BASE)).hexdigest()
REPLACED = "the bytes were damaged or replaced on their way"

BROKEN = [
    pytest.param(
        lambda files: files.pop("manifest.json"),
        MalformedImage,
        "docker-archive:it.tar: neither manifest.json nor index.json (expected an archive of docker save)",
        id="no-manifest",
    ),
    pytest.param(
        lambda files: files.update({"manifest.json": b"["}),
        MalformedImage,
        "docker-archive:it.tar, manifest.json: not JSON: Expecting value: line 1 column 2 (char 1)",
        id="manifest-not-json",
    ),
    pytest.param(
        lambda files: files.update({"manifest.json": b"[]"}),
        MalformedImage,
        "docker-archive:it.tar, manifest.json: names no image (expected an array of images)",
        id="empty-manifest",
    ),
    pytest.param(
        lambda files: files.update({"manifest.json": b'["x"]'}),
        MalformedImage,
        "docker-archive:it.tar, manifest.json, image 0: 'x' (expected an object)",
        id="manifest-of-text",
    ),
    pytest.param(
        row(Config="../../../etc/passwd"),
        MalformedImage,
        "docker-archive:it.tar, manifest.json, image 0: '../../../etc/passwd' leads out of the archive",
        id="config-leads-out",
    ),
    pytest.param(
        row(Layers=["x/../../y/layer.tar", "/layer.tar"]),
        MalformedImage,
        "docker-archive:it.tar, manifest.json, image 0: 'x/../../y/layer.tar' leads out of the archive",
        id="layer-leads-out",
    ),
    pytest.param(
        row(Layers=["/etc/passwd"]),
        MalformedImage,
        "docker-archive:it.tar, manifest.json, image 0: '/etc/passwd' leads out of the archive",
        id="absolute-layer",
    ),
    pytest.param(
        row(Config=None),
        MalformedImage,
        "docker-archive:it.tar, manifest.json, image 0: None (expected the name of a file in the archive)",
        id="no-config-named",
    ),
    pytest.param(
        row(Config="absent.json"),
        MalformedImage,
        "docker-archive:it.tar: absent.json is named, but is not in the archive",
        id="absent-config",
    ),
    pytest.param(
        row(Layers=["absent/layer.tar", "1"]),
        MalformedImage,
        "docker-archive:it.tar: manifest.json names layer absent/layer.tar, which is not in the archive",
        id="absent-layer",
    ),
    pytest.param(
        row(Layers=["manifest.json"]),
        MalformedImage,
        f"docker-archive:it.tar, {CONFIG_NAME}: 2 diff IDs (expected 1, one a layer of manifest.json)",
        id="too-few-layers",
    ),
    pytest.param(
        config(rootfs=None),
        MalformedImage,
        "docker-archive:it.tar, config.json: no container image (field 'rootfs' is missing, media type '')",
        id="no-rootfs",
    ),
    pytest.param(
        config(architecture=None),
        MalformedImage,
        "docker-archive:it.tar, config.json: no container image (its configuration names no architecture)",
        id="no-architecture",
    ),
    pytest.param(
        lambda files: files.update({CONFIG_NAME: flipped(SMALL.config.data)}),
        DigestMismatch,
        f"docker-archive:it.tar, {CONFIG_NAME}: the digest is sha256:{FLIPPED_CONFIG}, "
        f"expected {SMALL.config.digest}: {REPLACED}",
        id="flipped-config",
    ),
    pytest.param(
        lambda files: files.update({first_layer(files): flipped(BASE)}),
        DigestMismatch,
        f"docker-archive:it.tar linux/amd64, layer 0: the diff ID is sha256:{FLIPPED_LAYER}, "
        f"expected {SMALL.diff_ids[0]}: {REPLACED}",
        id="flipped-layer",
    ),
]


@pytest.mark.parametrize(("broken", "kind", "message"), BROKEN)
def test_broken_archives(
    tmp_path: Path, access: Access, broken: Callable[[Files], object], kind: type[AlpineError], message: str
) -> None:
    write_legacy_docker_archive(tmp_path / "it.tar", {"a:1": SMALL})
    changed(tmp_path / "it.tar", broken)
    assert refused(f"docker-archive:{tmp_path}/it.tar", access) == message
    with pytest.raises(kind):
        opened(f"docker-archive:{tmp_path}/it.tar", access).stored_layers  # noqa: B018 - reading is the point


def test_a_link_that_leads_round_in_a_circle(tmp_path: Path, access: Access) -> None:
    members: dict[str, Node] = {"a": Symlink("b"), "b": Symlink("a"), "manifest.json": '[{"Config":"a","Layers":[]}]'}
    (tmp_path / "it.tar").write_bytes(layer_tar(members))
    assert refused(f"docker-archive:{tmp_path}/it.tar", access) == (
        "docker-archive:it.tar: a is named, but is not in the archive"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "docker-archive:it.tar: not a readable tar archive: empty file", id="empty"),
        pytest.param(
            b"no tar, but longer than a block" * 99,
            "docker-archive:it.tar: not a readable tar archive: invalid header",
            id="text",
        ),
        pytest.param(
            b"\x1f\x8b\x08no gzip" + bytes(99),
            "docker-archive:it.tar: broken gzip data: unknown header flags set; it was damaged or cut on its way: "
            "fetch it again",
            id="no-gzip",
        ),
    ],
)
def test_files_that_are_no_archive(tmp_path: Path, access: Access, data: bytes, message: str) -> None:
    (tmp_path / "it.tar").write_bytes(data)
    assert refused(f"docker-archive:{tmp_path}/it.tar", access) == message
    with pytest.raises(MalformedImage):
        opened(f"docker-archive:{tmp_path}/it.tar", access)


def test_a_file_that_is_not_there(tmp_path: Path, access: Access) -> None:
    assert refused(f"docker-archive:{tmp_path}/it.tar", access) == "docker-archive:it.tar: no such file"
    with pytest.raises(ImageNotFound):
        opened(f"docker-archive:{tmp_path}/it.tar", access)


def test_a_file_that_cannot_be_read(tmp_path: Path, access: Access) -> None:
    (tmp_path / "it.tar").symlink_to("it.tar")
    assert refused(f"docker-archive:{tmp_path}/it.tar", access) == (
        "docker-archive:it.tar: cannot read it: Too many levels of symbolic links"
    )


def test_a_manifest_too_large_to_be_one(tmp_path: Path, access: Access) -> None:
    (tmp_path / "it.tar").write_bytes(layer_tar({"manifest.json": bytes(9 << 20)}))
    assert refused(f"docker-archive:{tmp_path}/it.tar", access) == (
        f"docker-archive:it.tar: manifest.json has {9 << 20} bytes (expected a document, at most {8 << 20})"
    )


def test_an_image_of_no_layers(tmp_path: Path, access: Access) -> None:
    write_legacy_docker_archive(tmp_path / "it.tar", {"a:1": image()})
    changed(tmp_path / "it.tar", row(Layers=None))
    assert refused(f"docker-archive:{tmp_path}/it.tar", access) == (
        "docker-archive:it.tar (linux/amd64) has no layers (expected at least one)"
    )


def test_an_empty_layer(tmp_path: Path, access: Access) -> None:
    """``docker build`` wrote one for every line that changed nothing."""
    write_legacy_docker_archive(tmp_path / "it.tar", {"a:1": image(BASE, bytes(1024))})
    assert opened(f"docker-archive:{tmp_path}/it.tar", access).stored_layers[1].changeset.added == ()


def test_a_layer_of_no_bytes(tmp_path: Path, access: Access) -> None:
    """``docker import /dev/null`` makes one."""
    write_legacy_docker_archive(tmp_path / "it.tar", {"a:1": image(b"", BASE)})
    read = opened(f"docker-archive:{tmp_path}/it.tar", access)
    assert read.layers[0].size == 0
    assert read.stored_layers[0].changeset.added == ()
    assert read.rootfs.read("/etc/alpine-release") == b"3.20.3\n"


@pytest.mark.parametrize("compressed", [lzma.compress, bz2.compress], ids=["xz", "bzip2"])
def test_archives_that_docker_load_decompresses_too(
    tmp_path: Path, access: Access, compressed: Callable[[bytes], bytes]
) -> None:
    write_docker_archive(tmp_path / "it.tar", {"a:1": SMALL})
    (tmp_path / "it.tar.z").write_bytes(compressed((tmp_path / "it.tar").read_bytes()))
    assert opened(f"docker-archive:{tmp_path}/it.tar.z:a:1", access).rootfs.exists("/srv/app")


def test_a_folder(tmp_path: Path, access: Access) -> None:
    assert refused(f"docker-archive:{tmp_path}", access).endswith(
        f": a folder (expected an archive; for an OCI image layout, write oci:{tmp_path})"
    )


def test_layers_can_be_read_side_by_side(tmp_path: Path, access: Access) -> None:
    write_legacy_docker_archive(tmp_path / "it.tar", {"a:1": SMALL})
    base, upper = opened(f"docker-archive:{tmp_path}/it.tar", access).layers
    with base.open() as one, upper.open() as two, base.open() as three:
        assert (one.read(700), two.read(700), three.read(700)) == (BASE[:700], UPPER[:700], BASE[:700])
        assert (one.read(), two.read(), three.read()) == (BASE[700:], UPPER[700:], BASE[700:])


def test_layers_outlive_the_source_and_the_file(tmp_path: Path, access: Access) -> None:
    write_legacy_docker_archive(tmp_path / "it.tar", {"a:1": SMALL})
    layer = opened(f"docker-archive:{tmp_path}/it.tar", access).layers[0]
    (tmp_path / "it.tar").unlink()
    with layer.open() as stream:
        assert stream.read() == BASE


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "it.tar"
    write_legacy_docker_archive(path, {"a:1": SMALL})
    return path.read_bytes()


def read_or_refused(data: bytes) -> None:
    """Read the archive *data*: it is what it was, or refused with an error of ours."""
    with tempfile.TemporaryDirectory() as folder:
        access, path = Access(Store(Path(folder) / "store")), Path(folder) / "it.tar"
        path.write_bytes(data)
        try:
            read = opened(f"docker-archive:{path}", access)
            diff_ids = [layer.diff_id for layer in read.stored_layers]
        except AlpineError:
            return
        assert (read.id, diff_ids) == (SMALL.config.digest, SMALL.diff_ids)


@given(share=st.floats(0, 1), packed=st.booleans())
def test_archives_cut_anywhere(whole: bytes, share: float, packed: bool) -> None:
    data = compress(whole) if packed else whole
    read_or_refused(data[: int(share * (len(data) - 1))])


@given(share=st.floats(0, 1), bit=st.integers(0, 7), packed=st.booleans())
def test_archives_with_a_flipped_bit(whole: bytes, share: float, bit: int, packed: bool) -> None:
    data = bytearray(compress(whole) if packed else whole)
    data[int(share * (len(data) - 1))] ^= 1 << bit
    read_or_refused(bytes(data))


def test_a_scratch_folder_that_cannot_be_written(tmp_path: Path) -> None:
    write_legacy_docker_archive(tmp_path / "it.tar", {"a:1": SMALL})
    (tmp_path / "it.tar").write_bytes(compress((tmp_path / "it.tar").read_bytes()))
    (tmp_path / "store").write_bytes(b"a file, where the store's folder should be")
    assert refused(f"docker-archive:{tmp_path}/it.tar", Access(Store(tmp_path / "store"))) == (
        "cannot write store/incoming: Not a directory; set PYTEST_ALPINE_CACHE to another folder"
    )


def test_stays_small_in_memory(tmp_path: Path, access: Access) -> None:
    """A layer is read in pieces: what is open of it at once has a bound, however large it is."""
    import tracemalloc

    large = layer_tar({"large": os.urandom(64 << 20)})
    write_legacy_docker_archive(tmp_path / "plain.tar", {"a:1": image(large, compression="plain")})
    (tmp_path / "it.tar").write_bytes(compress((tmp_path / "plain.tar").read_bytes(), "zstd"))
    del large
    tracemalloc.start()
    opened(f"docker-archive:{tmp_path}/it.tar", access).stored_layers  # noqa: B018 - reading is the point
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20
