"""The transport docker-daemon:, on the images of a real engine."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import AlpineError, EngineUnavailable, ImageNotFound, PlatformNotFound
from pytest_alpine.image.archives.docker_archive import open_source as open_archive, published as published_archive
from pytest_alpine.image.daemon.source import open_source, published
from pytest_alpine.image.image import Image
from pytest_alpine.platforms import BY_APK_ARCH, Platform
from pytest_alpine.reference import Reference
from pytest_alpine.rootfs.layers import read_changeset
from tests.support.images import image, layer_tar, whiteout
from tests.support.mirror import TARBALLS, tarball_id
from tests.support.registry_server import RegistryServer, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker import DockerClient

    from pytest_alpine.image.access import Access
    from tests.support.engine_proxy import EngineProxy
    from tests.support.images import BuiltImage

    Load = Callable[[BuiltImage], str]

pytestmark = pytest.mark.docker

AMD64, ARM_V6 = Platform.parse("amd64"), Platform.parse("arm/v6")
BASE = layer_tar({"etc/alpine-release": "3.20.3\n", "tmp/x": "gone", "large": bytes(range(256)) * 4096})
UPPER = layer_tar({whiteout("tmp/x"): "", "srv/app": b"\x7fELF"})
SMALL = image(BASE, UPPER, config={"Cmd": ["/bin/sh"]})


def opened(name: str, access: Access, platform: Platform = AMD64) -> Image:
    return Image(open_source(Reference.parse(f"docker-daemon:{name}"), platform, access), access)


def refused(name: str, access: Access, platform: Platform = AMD64) -> str:
    with pytest.raises(AlpineError) as caught:
        opened(name, access, platform)
    return str(caught.value)


@pytest.mark.official
@pytest.mark.parametrize("tarball", [path for path in TARBALLS if path.parts[-4] == "edge"], ids=tarball_id)
def test_official_images_come_back_as_they_went_in(tarball: Path, load: Load, access: Access, tmp_path: Path) -> None:
    platform = BY_APK_ARCH[tarball.parent.name]
    tar = gzip.decompress(tarball.read_bytes())
    (tmp_path / "source.tar").write_bytes(tar)
    source = read_changeset(tmp_path / "source.tar", "the tarball")
    built = image(tar, platform=str(platform), config={"Cmd": ["/bin/sh"]})
    name = load(built)
    read = opened(name, access, platform)
    assert published(Reference.parse(f"docker-daemon:{name}"), access) == (platform,)
    assert (read.id, read.raw_config, read.digest) == (built.config.digest, built.config.data, None)
    assert [layer.changeset for layer in read.stored_layers] == [source]
    assert (read.size.compressed, read.size.unpacked) == (None, source.size)

    saved = tmp_path / "saved.tar"
    subprocess.run(["docker", "save", "--output", saved, name], check=True)
    archive = Reference.parse(f"docker-archive:{saved}:{name}")
    assert published_archive(archive, access) == (platform,)
    assert open_archive(archive, platform, access).raw_config() == built.config.data
    assert [layer.diff_id for layer in open_archive(archive, platform, access).layers()] == built.diff_ids


def test_several_layers(load: Load, access: Access) -> None:
    read = opened(load(SMALL), access)
    assert [layer.diff_id for layer in read.stored_layers] == SMALL.diff_ids
    assert read.rootfs.exists("/srv/app")
    assert not read.rootfs.exists("/tmp/x")
    assert [layer.size for layer in read.layers] == [None, None]
    assert read.config.cmd == ("/bin/sh",)


def test_a_layer_that_is_used_twice(load: Load, access: Access) -> None:
    twice = image(BASE, UPPER, BASE)
    read = opened(load(twice), access)
    assert [layer.diff_id for layer in read.stored_layers] == twice.diff_ids
    assert read.rootfs.exists("/tmp/x")


def test_an_empty_layer(load: Load, access: Access) -> None:
    assert opened(load(image(BASE, bytes(1024))), access).stored_layers[1].changeset.added == ()


def test_names_with_and_without_tag_and_ids(load: Load, engine: DockerClient, access: Access) -> None:
    name = load(SMALL)
    engine.images.get(name).tag(name[:-4], "latest")
    found = {
        opened(text, access).id
        for text in (
            name,
            name.partition(":")[0],
            SMALL.config.digest,
            SMALL.config.digest[7:],
            SMALL.config.digest[7:19],
        )
    }
    engine.images.remove(f"{name.partition(':')[0]}:latest")
    assert found == {SMALL.config.digest}


def test_names_with_a_digest(engine: DockerClient, access: Access) -> None:
    with serving(RegistryServer()) as registry:
        digest = registry.push("app", "1", [SMALL, image(BASE, platform="linux/arm/v6")])
        name = f"{registry.host}/app@{digest}"
        engine.images.pull(name, platform="linux/amd64")
        assert opened(name, access).id == SMALL.config.digest
        assert opened(f"{registry.host}/app:9@{digest}", access).id == SMALL.config.digest
        engine.images.remove(name, force=True)


def test_the_second_read_saves_nothing(load: Load, proxy: EngineProxy, access: Access) -> None:
    name = load(SMALL)
    for _ in range(3):
        assert opened(name, access).stored_layers[1].diff_id == SMALL.diff_ids[1]
    assert proxy.asked("/get") == 1
    assert proxy.log == ["/_ping", f"/images/{name}/json", f"/images/{SMALL.config.digest}/get", *proxy.log[:2] * 2]


def test_what_other_sources_brought_is_not_saved_again(
    load: Load, proxy: EngineProxy, access: Access, tmp_path: Path
) -> None:
    name = load(SMALL)
    subprocess.run(["docker", "save", "--output", tmp_path / "saved.tar", name], check=True)
    access.store.add_document(SMALL.config.data)
    for layer in open_archive(Reference.parse(f"docker-archive:{tmp_path}/saved.tar"), AMD64, access).layers():
        access.store.layer(layer)
    before = proxy.asked("/get")
    assert opened(name, access).rootfs.exists("/srv/app")
    assert proxy.asked("/get") == before


def test_a_layer_that_the_store_lost_is_read_again(load: Load, access: Access) -> None:
    read = opened(load(SMALL), access)
    shutil.rmtree(access.store.root / "layers")
    assert [layer.diff_id for layer in read.stored_layers] == SMALL.diff_ids


def test_many_at_once_save_once(load: Load, proxy: EngineProxy, access: Access) -> None:
    name = load(SMALL)
    code = (
        "import sys; from pathlib import Path; from pytest_alpine.image.store.store import Store;"
        "from pytest_alpine.image.access import Access;"
        "from pytest_alpine.image.open import open_image;"
        "image = open_image(sys.argv[1], 'amd64', access=Access(Store(Path(sys.argv[2]))));"
        "print(*[layer.diff_id for layer in image.stored_layers])"
    )
    command = [sys.executable, "-c", code, f"docker-daemon:{name}", str(access.store.root)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: subprocess.run(command, check=True, capture_output=True, text=True), range(4)))
    assert [one.stdout.split() for one in done] == [SMALL.diff_ids] * 4
    assert proxy.asked("/get") == 1
    assert not list((access.store.root / "incoming").iterdir())


def test_another_platform(load: Load, access: Access) -> None:
    name = load(image(BASE, platform="linux/arm/v6"))
    assert published(Reference.parse(f"docker-daemon:{name}"), access) == (ARM_V6,)
    assert refused(name, access) == (
        f"docker-daemon:{name}: the Docker engine holds it for linux/arm/v6, not for linux/amd64; "
        f"pull it first: docker pull --platform linux/amd64 {name}"
    )
    with pytest.raises(PlatformNotFound):
        opened(name, access)


def test_an_unknown_image(load: Load, access: Access) -> None:
    name = load(SMALL)
    wrong = name.replace(":1.0", ":1.1")
    # Tests beside this one may have loaded images of names as near, which come after.
    assert re.fullmatch(
        rf"docker-daemon:{wrong}: no such image in the Docker engine \(it holds {name}(, [^)]+)?\); "
        rf"pull it first: docker pull {wrong}",
        refused(wrong, access),
    )
    with pytest.raises(ImageNotFound):
        published(Reference.parse(f"docker-daemon:{wrong}"), access)


def test_an_image_of_no_layers(load: Load, access: Access) -> None:
    name = load(image())
    with pytest.raises(AlpineError) as caught:
        opened(name, access).rootfs  # noqa: B018 - reading is the point
    assert str(caught.value) == f"docker-daemon:{name} (linux/amd64) has no layers (expected at least one)"


@pytest.mark.parametrize("cut", [0, 100, 700, 20_000, 1_000_000], ids=lambda cut: f"after-{cut}-bytes")
def test_an_engine_that_dies_in_the_middle(load: Load, proxy: EngineProxy, access: Access, cut: int) -> None:
    name = load(SMALL)
    proxy.cut = cut
    assert re.fullmatch(
        rf"cannot save docker-daemon:{name}: the (connection to the engine broke: .+|engine gave nothing); "
        r"see whether it still runs: docker info",
        refused(name, access),
    )
    with pytest.raises(EngineUnavailable):
        opened(name, access)
    assert not list(access.store.root.glob("incoming/*"))
    proxy.cut = None
    assert [layer.diff_id for layer in opened(name, access).stored_layers] == SMALL.diff_ids


def test_an_engine_that_dies_after_the_image_was_opened(
    load: Load, access: Access, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read = opened(load(SMALL), access)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    assert read.rootfs.read("/etc/alpine-release") == b"3.20.3\n"


def test_large_images_are_never_in_memory_whole(load: Load, access: Access) -> None:
    import tracemalloc

    name = load(image(layer_tar({"large": bytes(32 << 20)})))
    tracemalloc.start()
    opened(name, access)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
