"""Plain names: what the engine holds, else what the registry publishes."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import ImageError, ImageNotFound
from pytest_alpine.image.access import Access
from pytest_alpine.image.open import open_image, published_platforms
from pytest_alpine.platforms import Platform
from tests.support.images import image, layer_tar
from tests.support.registry_server import Fault, RegistryServer, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient

    from tests.support.images import BuiltImage

ARM64 = image(layer_tar({"from": "registry\n"}), platform="linux/arm64/v8")
AMD64 = image(layer_tar({"from": "registry\n"}), platform="linux/amd64")


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with serving(RegistryServer()) as running:
        running.push("acme/app", "1.0", [AMD64, ARM64])
        yield running


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")


def origin(name: str, access: Access, platform: str = "amd64") -> bytes:
    return open_image(name, platform, access=access).rootfs.read("/from")


@pytest.mark.usefixtures("no_engine")
def test_registry_decides_where_no_engine_answers(server: RegistryServer, access: Access) -> None:
    name = f"{server.host}/acme/app:1.0"
    assert origin(name, access) == b"registry\n"
    assert [str(platform) for platform in published_platforms(name, access=access)] == ["linux/amd64", "linux/arm64"]
    with pytest.raises(ImageNotFound, match=f"registry {server.host} has no tag '2'"):
        origin(f"{server.host}/acme/app:2", access)


@pytest.fixture
def held(engine: DockerClient, server: RegistryServer, load: Callable[[BuiltImage], str]) -> Iterator[str]:
    """The registry's name, under which the engine holds another image for amd64."""
    name = f"{server.host}/acme/app:1.0"
    loaded = load(image(layer_tar({"from": "engine\n", "id": uuid.uuid4().hex}), platform="linux/amd64"))
    engine.images.get(loaded).tag(name)
    yield name
    engine.images.remove(name, force=True)


@pytest.mark.docker
def test_engine_comes_first_where_it_holds_the_platform(held: str, access: Access) -> None:
    assert origin(held, access) == b"engine\n"
    assert origin(held, access, "arm64") == b"registry\n"
    assert [str(platform) for platform in published_platforms(held, access=access)] == ["linux/amd64", "linux/arm64"]


@pytest.mark.docker
def test_always_asks_the_registry_first(held: str, server: RegistryServer, access: Access) -> None:
    always = Access(access.store, pull="always")
    assert origin(held, always) == b"registry\n"
    del server.tags["acme/app", "1.0"]
    assert origin(held, Access(access.store, pull="always")) == b"engine\n"


@pytest.mark.docker
def test_always_takes_nothing_old_for_new(held: str, server: RegistryServer, access: Access) -> None:
    server.faults.append(Fault(path="/manifests/", status=429, headers={"Retry-After": "900"}, times=99))
    with pytest.raises(ImageError, match="the rate limit is reached"):
        origin(held, Access(access.store, pull="always"))


@pytest.mark.docker
def test_never_takes_what_the_engine_holds(held: str, server: RegistryServer, access: Access) -> None:
    never = Access(access.store, pull="never")
    assert origin(held, never) == b"engine\n"
    assert [str(platform) for platform in published_platforms(held, access=never)] == ["linux/amd64"]
    with pytest.raises(ImageNotFound, match="is not in the local store, and pulling is switched off"):
        origin(held, never, "arm64")
    assert server.log == []


@pytest.mark.docker
def test_local_build_needs_no_registry(load: Callable[[BuiltImage], str], access: Access) -> None:
    """A name that no registry has: the platforms are those of the engine."""
    built = image(layer_tar({"from": "engine\n"}), platform="linux/amd64")
    name = load(built)
    assert origin(name, Access(access.store, pull="never")) == b"engine\n"
    assert published_platforms(name, access=Access(access.store, pull="never")) == (Platform.parse("amd64"),)


@pytest.mark.docker
def test_pulled_image_keeps_its_manifest(
    engine: DockerClient, server: RegistryServer, load: Callable[[BuiltImage], str], access: Access
) -> None:
    """A classic engine store forgets the compressed sizes; what was looked up before still tells them."""
    name = f"{server.host}/acme/app:1.0"
    before = open_image(f"registry:{name}", "amd64", access=access)
    assert before.size.compressed
    engine.images.get(load(AMD64)).tag(name)
    try:
        server.log.clear()
        after = open_image(name, "amd64", access=Access(access.store))
        assert (after.digest, after.size, after.id) == (before.digest, before.size, before.id)
        assert server.log == []
    finally:
        engine.images.remove(name, force=True)
