"""Images loaded into a real engine: they arrive as what they are, whatever their source."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_alpine.errors import DigestMismatch, StoreError
from pytest_alpine.image.archives.oci import open_source
from pytest_alpine.image.daemon.load import docker_archive
from pytest_alpine.image.image import Image
from pytest_alpine.image.open import open_image
from pytest_alpine.platforms import BY_APK_ARCH, Platform
from pytest_alpine.reference import Reference
from tests.support.images import image, layer_tar, whiteout, write_oci_layout
from tests.support.mirror import TARBALLS, tarball_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from docker import DockerClient

    from pytest_alpine.image.access import Access
    from tests.support.images import BuiltImage

    Names = Callable[[], str]

PLATFORMS = ["linux/amd64", "linux/386", "linux/arm/v6", "linux/arm/v7", "linux/arm64", "linux/arm64/v8"]
PLATFORMS += ["linux/ppc64le", "linux/riscv64", "linux/s390x", "linux/loong64"]
BASE = layer_tar({"etc/alpine-release": "3.20.3\n", "tmp/x": "gone"})
UPPER = layer_tar({whiteout("tmp/x"): "", "srv/app": b"\x7fELF"})


def in_layout(folder: Path, built: BuiltImage, access: Access, platform: str = "linux/amd64") -> Image:
    write_oci_layout(folder, {"": [built]})
    return Image(open_source(Reference.parse(f"oci:{folder}"), Platform.parse(platform), access), access)


def load_into(engine: DockerClient, loaded: Image, name: str | None = None) -> None:
    # The SDK takes any iterable of bytes, more than its types say.
    found = engine.images.load(cast("Any", docker_archive(loaded, name)))
    assert [one.id for one in found] == [loaded.id]


def parts(archive: Sequence[bytes]) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as tar:
        streams = {member.name: tar.extractfile(member) for member in tar.getmembers()}
    return {name: b"" if stream is None else stream.read() for name, stream in streams.items()}


@pytest.mark.docker
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_loaded_image_keeps_id_platform_and_layers(
    tmp_path: Path, access: Access, engine: DockerClient, names: Names, platform: str
) -> None:
    built = image(BASE, UPPER, BASE, platform=platform, compression="zstd", config={"Cmd": ["/bin/sh"]})
    loaded = in_layout(tmp_path / "it", built, access, platform)
    name = names()
    load_into(engine, loaded, name)
    details = engine.images.get(name).attrs
    words = "/".join(filter(None, (details["Os"], details["Architecture"], details.get("Variant", ""))))
    assert (details["Id"], words) == (loaded.id, platform)
    assert (details["RootFS"]["Layers"], details["Config"]["Cmd"]) == (built.diff_ids, ["/bin/sh"])

    back = open_image(f"docker-daemon:{name}", platform, access=access)
    assert [entry.path for entry in back.rootfs.walk()] == [entry.path for entry in loaded.rootfs.walk()]


@pytest.mark.docker
@pytest.mark.official
@pytest.mark.parametrize("tarball", [path for path in TARBALLS if path.parts[-4] == "edge"], ids=tarball_id)
def test_official_images_on_every_platform(access: Access, engine: DockerClient, names: Names, tarball: Path) -> None:
    platform = BY_APK_ARCH[tarball.parent.name]
    source = open_image(f"minirootfs:{tarball}", platform, access=access)
    name = names()
    load_into(engine, source, name)
    details = engine.images.get(name).attrs
    words = "/".join(filter(None, (details["Os"], details["Architecture"], details.get("Variant", ""))))
    assert (details["Id"], Platform.parse(words)) == (source.id, platform)
    back = open_image(f"docker-daemon:{name}", platform, access=access)
    assert list(back.rootfs.walk()) == list(source.rootfs.walk())
    assert (back.size.unpacked, back.size.rootfs) == (source.size.unpacked, source.size.rootfs)


@pytest.mark.docker
def test_loading_without_a_name(tmp_path: Path, access: Access, engine: DockerClient, names: Names) -> None:
    loaded = in_layout(tmp_path / "it", image(BASE, author=names()), access)
    load_into(engine, loaded)
    assert engine.images.get(loaded.id).tags == []
    engine.images.remove(loaded.id)


def test_the_archive_is_one_of_docker_save(tmp_path: Path, access: Access) -> None:
    built = image(BASE, UPPER)
    archive = tmp_path / "it.tar"
    archive.write_bytes(b"".join(docker_archive(in_layout(tmp_path / "it", built, access), "acme/app:1.2")))
    read = open_image(f"docker-archive:{archive}:acme/app:1.2", "amd64", access=access)
    assert (read.id, [layer.diff_id for layer in read.stored_layers]) == (built.config.digest, built.diff_ids)


def test_the_archive_holds_each_layer_once(tmp_path: Path, access: Access) -> None:
    built = image(BASE, UPPER, BASE)
    found = parts(list(docker_archive(in_layout(tmp_path / "it", built, access), "acme/app:1.2")))
    layers = [f"{diff_id[7:]}/layer.tar" for diff_id in built.diff_ids]
    assert found == {
        f"{built.config.digest[7:]}.json": built.config.data,
        layers[0]: BASE,
        layers[1]: UPPER,
        "manifest.json": found["manifest.json"],
    }
    assert json.loads(found["manifest.json"]) == [
        {"Config": f"{built.config.digest[7:]}.json", "RepoTags": ["acme/app:1.2"], "Layers": layers}
    ]


def test_the_archive_comes_in_small_pieces(tmp_path: Path, access: Access) -> None:
    loaded = in_layout(tmp_path / "it", image(layer_tar({"large": bytes(5 << 20)})), access)
    pieces = list(docker_archive(loaded))
    assert max(map(len, pieces)) == 1 << 20
    assert len(b"".join(pieces)) % 512 == 0


def test_layers_that_the_configuration_does_not_name(tmp_path: Path, access: Access) -> None:
    loaded = in_layout(tmp_path / "it", image(BASE), access)
    other = in_layout(tmp_path / "other", image(UPPER), access)
    loaded.__dict__["stored_layers"] = other.stored_layers
    with pytest.raises(DigestMismatch, match="layer 0: the diff ID is sha256:"):
        list(docker_archive(loaded))


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "gone"])
def test_a_store_that_loses_a_layer_meanwhile(tmp_path: Path, access: Access, cut: bool) -> None:
    loaded = in_layout(tmp_path / "it", image(BASE), access)
    tar = loaded.stored_layers[0].tar
    pieces = docker_archive(loaded)
    next(pieces)
    next(pieces)
    if cut:
        with tar.open("r+b") as stream:
            stream.truncate(512)
        expected = f"cannot read layer {tar}: it was cut by {len(BASE) - 512} bytes meanwhile; open the image again"
    else:
        tar.unlink()
        expected = f"cannot read layer {tar}: No such file or directory; open the image again"
        pieces = docker_archive(loaded)
    with pytest.raises(StoreError) as caught:
        list(pieces)
    assert str(caught.value) == expected
