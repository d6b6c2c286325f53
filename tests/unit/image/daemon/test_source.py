"""The transport docker-daemon:, with engines newer than the one at hand, and engines that fail."""

from __future__ import annotations

import json
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import AlpineError, EngineError, EngineUnavailable, MalformedImage, PlatformNotFound
from pytest_alpine.image.access import Access
from pytest_alpine.image.daemon.source import open_source, published
from pytest_alpine.image.image import Image
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import Platform
from pytest_alpine.reference import Reference
from tests.support.engine_server import EngineServer, serving_engine
from tests.support.images import (
    Symlink,
    image,
    layer_tar,
    write_docker_archive,
    write_legacy_docker_archive,
    write_oci_archive,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.images import Node

AMD64, ARM_V6, ARM64, S390X = map(Platform.parse, ("amd64", "arm/v6", "arm64", "s390x"))
BASE = layer_tar({"etc/alpine-release": "3.20.3\n"})
UPPER = layer_tar({"srv/app": b"\x7fELF"})
PLAIN = image(BASE, UPPER, compression="plain")
PACKED = image(BASE, UPPER)
NAME = "acme/app:1"
REFERENCE = Reference.parse(f"docker-daemon:{NAME}")


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(Store(tmp_path / "store"))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineServer]:
    with serving_engine(EngineServer()) as server:
        monkeypatch.setenv("DOCKER_HOST", server.url)
        yield server


def opened(access: Access, platform: Platform = AMD64) -> Image:
    return Image(open_source(REFERENCE, platform, access), access)


def refused(access: Access, platform: Platform = AMD64) -> str:
    with pytest.raises(AlpineError) as caught:
        opened(access, platform).stored_layers  # noqa: B018 - reading is the point
    return str(caught.value)


def archive(tmp_path: Path) -> bytes:
    return (tmp_path / "saved.tar").read_bytes()


@pytest.mark.parametrize("write", [write_legacy_docker_archive, write_docker_archive], ids=["docker-24", "docker-25"])
def test_a_classic_store(engine: EngineServer, access: Access, tmp_path: Path, write: type) -> None:
    write(tmp_path / "saved.tar", {"": PLAIN})
    engine.hold(NAME, PLAIN.config.digest, PLAIN, archive(tmp_path), RepoDigests=[f"acme/app@{PLAIN.manifest.digest}"])
    for _ in range(2):
        read = opened(access)
        assert (read.id, read.digest, read.size.compressed) == (PLAIN.config.digest, None, None)
        assert [layer.diff_id for layer in read.stored_layers] == PLAIN.diff_ids
    assert engine.log.count(f"/images/{PLAIN.config.digest}/get") == 1


def test_podman_which_names_layers_by_their_diff_ids(engine: EngineServer, access: Access) -> None:
    members: dict[str, Node] = {
        f"{diff_id[7:]}.tar": tar for diff_id, tar in zip(PLAIN.diff_ids, PLAIN.tars, strict=True)
    }
    members |= {
        "x/layer.tar": Symlink(f"../{PLAIN.diff_ids[0][7:]}.tar"),
        f"{PLAIN.config.digest[7:]}.json": PLAIN.config.data,
    }
    engine.hold(NAME, PLAIN.config.digest[7:], PLAIN, b"")
    engine.archives[PLAIN.config.digest] = layer_tar(members | {"manifest.json": "[]"})
    read = opened(access)
    assert read.id == PLAIN.config.digest
    assert [layer.diff_id for layer in read.stored_layers] == PLAIN.diff_ids


def test_podman_which_keeps_the_variant_to_itself(engine: EngineServer, access: Access, tmp_path: Path) -> None:
    built = image(BASE, platform="linux/arm/v6")
    write_legacy_docker_archive(tmp_path / "saved.tar", {"": built})
    engine.hold(NAME, built.config.digest, built, archive(tmp_path), Variant="")
    assert published(REFERENCE, access) == (ARM_V6,)
    assert opened(access, ARM_V6).id == built.config.digest
    assert refused(access, Platform.parse("arm/v7")).startswith(
        "docker-daemon:acme/app:1: the Docker engine holds it for linux/arm/v6, not for linux/arm/v7; "
    )


def containerd(engine: EngineServer, tmp_path: Path, *platforms: str, attested: bool = True) -> str:
    """Let *engine* hold an index as its containerd store does, and return the index's digest."""
    images = [image(BASE, UPPER, platform=platform) for platform in platforms]
    digest = write_oci_archive(tmp_path / "saved.tar", {"1": images}, attested=attested)["1"]
    descriptor = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest, "size": 1}
    engine.hold(NAME, digest, images[0], archive(tmp_path), Descriptor=descriptor)
    return digest


def test_a_containerd_store_has_blobs_and_several_platforms(
    engine: EngineServer, access: Access, tmp_path: Path
) -> None:
    digest = containerd(engine, tmp_path, "linux/amd64", "linux/arm64/v8")
    assert published(REFERENCE, access) == (AMD64, ARM64)
    for platform, text in ((AMD64, "linux/amd64"), (ARM64, "linux/arm64/v8")):
        built = image(BASE, UPPER, platform=text)
        read = opened(access, platform)
        assert (read.id, read.digest) == (built.config.digest, built.manifest.digest)
        assert read.size.compressed == sum(len(layer.data) for layer in built.layers)
        assert read.rootfs.exists("/srv/app")
    assert engine.log.count(f"/images/{digest}/get") == 1


def test_a_containerd_store_with_one_manifest(engine: EngineServer, access: Access, tmp_path: Path) -> None:
    """Docker 24 to 27 has no descriptor in what it tells; there the digests of the repository give it away."""
    digest = write_oci_archive(tmp_path / "saved.tar", {"1": [PACKED]})["1"]
    engine.hold(NAME, digest, PACKED, archive(tmp_path), RepoDigests=[f"acme/app@{digest}"])
    assert (opened(access).digest, opened(access).id) == (digest, PACKED.config.digest)


def test_an_index_of_which_one_platform_was_pulled(engine: EngineServer, access: Access, tmp_path: Path) -> None:
    digest = containerd(engine, tmp_path, "linux/amd64", "linux/arm64/v8", attested=False)
    here = image(BASE, UPPER)
    needed = {f"blobs/sha256/{blob.digest[7:]}": blob.data for blob in (*here.layers, here.config, here.manifest)}
    top = {"schemaVersion": 2, "manifests": [{"digest": digest, "size": 1}]}
    with_index: dict[str, Node] = {**needed, "index.json": json.dumps(top)}
    with tarfile.open(tmp_path / "saved.tar") as whole:
        member = whole.extractfile(f"blobs/sha256/{digest[7:]}")
        with_index[f"blobs/sha256/{digest[7:]}"] = member.read() if member else b""
    engine.archives[digest] = layer_tar(with_index)
    assert published(REFERENCE, access) == (AMD64,)
    assert opened(access).id == here.config.digest
    assert refused(access, ARM64) == (
        "docker-daemon:acme/app:1: the Docker engine holds it for linux/amd64, not for linux/arm64; "
        "pull it first: docker pull --platform linux/arm64 acme/app:1"
    )
    with pytest.raises(PlatformNotFound):
        opened(access, S390X)


def test_a_layer_of_a_containerd_store_that_was_lost(engine: EngineServer, access: Access, tmp_path: Path) -> None:
    containerd(engine, tmp_path, "linux/amd64")
    read = opened(access)
    shutil.rmtree(access.store.root / "layers")
    assert read.rootfs.exists("/srv/app")


def test_a_layer_that_store_and_engine_lost(engine: EngineServer, access: Access, tmp_path: Path) -> None:
    write_legacy_docker_archive(tmp_path / "saved.tar", {"": PLAIN})
    engine.hold(NAME, PLAIN.config.digest, PLAIN, archive(tmp_path))
    layer = opened(access).layers[0]
    shutil.rmtree(access.store.root / "layers")
    engine.archives[PLAIN.config.digest] = layer_tar({"x/layer.tar": UPPER, "x/VERSION": "1.0"})
    with pytest.raises(MalformedImage) as caught:
        access.store.layer(layer)
    assert str(caught.value) == (
        f"docker-daemon:acme/app:1, as saved by the engine: the engine saved no layer {PLAIN.diff_ids[0]}"
    )


def test_layers_that_are_there_already_are_passed_over(engine: EngineServer, access: Access, tmp_path: Path) -> None:
    write_docker_archive(tmp_path / "saved.tar", {"": PLAIN})
    engine.hold(NAME, PLAIN.config.digest, PLAIN, archive(tmp_path))
    kept = opened(access).stored_layers
    shutil.rmtree(access.store.root / "documents")
    before = [layer.tar.stat().st_ino for layer in kept]
    assert [layer.tar.stat().st_ino for layer in opened(access).stored_layers] == before


def test_large_statements_about_an_image_are_passed_over(engine: EngineServer, access: Access) -> None:
    statement = b"{" + b" " * (9 << 20) + b"}"
    members: dict[str, Node] = {f"blobs/sha256/{'0' * 64}": statement, "x/layer.tar": BASE, "y/layer.tar": UPPER}
    engine.hold(
        NAME, PLAIN.config.digest, PLAIN, layer_tar(members | {f"{PLAIN.config.digest[7:]}.json": PLAIN.config.data})
    )
    assert opened(access).rootfs.exists("/srv/app")


def test_an_image_that_is_saved_without_its_layers(engine: EngineServer, access: Access) -> None:
    """A release candidate of Docker 25.0 did that."""
    engine.hold(NAME, PLAIN.config.digest, PLAIN, layer_tar({f"{PLAIN.config.digest[7:]}.json": PLAIN.config.data}))
    assert refused(access) == (
        f"docker-daemon:acme/app:1 linux/amd64, layer 0: the engine did not give layer {PLAIN.diff_ids[0]}; "
        "pull the image again"
    )


def test_an_image_that_is_saved_without_its_configuration(engine: EngineServer, access: Access) -> None:
    engine.hold(NAME, PLAIN.config.digest, PLAIN, layer_tar({"x/layer.tar": BASE}))
    assert refused(access) == (
        f"docker-daemon:acme/app:1: the engine did not give the document {PLAIN.config.digest}; pull the image again"
    )


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        pytest.param(
            b"no tar " * 999,
            MalformedImage,
            "docker-daemon:acme/app:1, as saved by the engine: not a readable tar archive: invalid header",
            id="no-tar",
        ),
        pytest.param(
            layer_tar({"x/layer.tar": BASE})[:1500],
            MalformedImage,
            "docker-daemon:acme/app:1, as saved by the engine: not a readable tar archive: unexpected end of data",
            id="cut",
        ),
        pytest.param(
            layer_tar({"x/layer.tar": BASE})[:1500] + b'{"errorDetail":{"message":"no space left on device"}}\r\n',
            EngineError,
            "cannot save docker-daemon:acme/app:1: the engine failed: "
            '{"errorDetail":{"message":"no space left on device"}}',
            id="error-in-the-stream",
        ),
        pytest.param(
            layer_tar({"x/layer.tar": b"no tar " * 999}),
            MalformedImage,
            "docker-daemon:acme/app:1, as saved by the engine, x/layer.tar: not a readable tar archive: invalid header",
            id="layer-no-tar",
        ),
        pytest.param(
            layer_tar({f"blobs/sha256/{PLAIN.diff_ids[0][7:]}": UPPER}),
            AlpineError,
            f"docker-daemon:acme/app:1, as saved by the engine, blobs/sha256/{PLAIN.diff_ids[0][7:]}: "
            f"the digest is {PLAIN.diff_ids[1]}, expected {PLAIN.diff_ids[0]}: "
            "the bytes were damaged or replaced on their way",
            id="wrong-blob",
        ),
        pytest.param(
            b"",
            EngineUnavailable,
            "cannot save docker-daemon:acme/app:1: the engine gave nothing; see whether it still runs: docker info",
            id="nothing",
        ),
    ],
)
def test_what_is_saved_is_broken(
    engine: EngineServer, access: Access, data: bytes, kind: type[AlpineError], message: str
) -> None:
    engine.hold(NAME, PLAIN.config.digest, PLAIN, data)
    assert refused(access) == message
    with pytest.raises(kind):
        opened(access)
    assert not list(access.store.root.glob("incoming/*"))


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ({"Id": None}, "field 'Id' is None (expected a string)"),
        ({"Id": "../x"}, "invalid digest 'sha256:../x' (expected sha256: and 64 hexadecimal digits)"),
        ({"Architecture": ""}, "no container image (its configuration names no architecture)"),
        ({"RootFS": {"Layers": ["x"]}}, "invalid digest 'x' (expected sha256: and 64 hexadecimal digits)"),
    ],
    ids=["no-id", "id-leads-out", "no-architecture", "no-diff-id"],
)
def test_what_the_engine_tells_is_broken(
    engine: EngineServer, access: Access, details: dict[str, object], message: str
) -> None:
    engine.hold(NAME, PLAIN.config.digest, PLAIN, b"")
    engine.images[NAME] |= details
    assert refused(access) == f"docker-daemon:acme/app:1, as the engine describes it: {message}"


@pytest.mark.parametrize(
    ("doing", "path"),
    [("inspect", "/images/acme/app:1/json"), ("save", f"/images/{PLAIN.config.digest}/get")],
    ids=["inspect", "save"],
)
def test_the_engine_fails(engine: EngineServer, access: Access, doing: str, path: str) -> None:
    engine.hold(NAME, PLAIN.config.digest, PLAIN, b"")
    engine.status = {path: 500}
    assert refused(access) == (
        f"cannot {doing} docker-daemon:acme/app:1: the engine refused: trouble with {path} (HTTP 500)"
    )


def test_nothing_to_name_but_what_was_loaded_for_a_run(engine: EngineServer, access: Access) -> None:
    engine.hold(f"pytest-alpine:{PLAIN.config.digest[7:]}", PLAIN.config.digest, PLAIN, b"")
    assert refused(access) == (
        "docker-daemon:acme/app:1: no such image in the Docker engine (it holds no image with a name); "
        "pull it first: docker pull acme/app:1"
    )
