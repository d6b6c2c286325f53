"""Plain names, where an engine holds the image for other platforms only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import PlatformNotFound
from pytest_alpine.image.access import Access
from pytest_alpine.image.http.client import Unreachable
from pytest_alpine.image.open import open_image
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import Platform
from tests.support.engine_server import EngineServer, serving_engine
from tests.support.images import image, layer_tar, write_legacy_docker_archive
from tests.support.registry_server import Fault, RegistryServer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCAL, PUBLISHED = (image(layer_tar({"from": text}), platform="linux/s390x") for text in ("engine", "registry"))


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(Store(tmp_path / "store"))


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with serving(RegistryServer()) as running:
        yield running


@pytest.fixture
def name(server: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an image that the engine holds for linux/s390x."""
    name = f"{server.host}/acme/app:1"
    write_legacy_docker_archive(tmp_path / "saved.tar", {"": LOCAL})
    with serving_engine(EngineServer()) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.url)
        engine.hold(name, LOCAL.config.digest, LOCAL, (tmp_path / "saved.tar").read_bytes())
        yield name


def test_neither_has_the_platform(server: RegistryServer, name: str, access: Access) -> None:
    held = f"{name}: the Docker engine holds it for linux/s390x, not for linux/arm64; "
    with pytest.raises(PlatformNotFound) as caught:
        open_image(name, "arm64", access=access)
    assert str(caught.value) == f"{held}registry {server.host} has no repository 'acme/app'"
    server.push("acme/app", "1", [PUBLISHED])
    with pytest.raises(PlatformNotFound) as caught:
        open_image(name, "arm64", access=access)
    assert str(caught.value) == f"{held}{name} is not published for linux/arm64 (published: linux/s390x)"


def test_the_registry_does_not_answer(server: RegistryServer, name: str, access: Access) -> None:
    server.faults.append(Fault(path="/manifests/", status=503, headers={"Retry-After": "999"}))
    with pytest.raises(Unreachable, match=r"holds it for linux/s390x, not for linux/arm64; http.*503"):
        open_image(name, "arm64", access=access)


def test_the_only_platform_of_a_local_image(name: str, access: Access) -> None:
    read = open_image(name, access=access)
    assert read.platform == Platform.parse("s390x")
    assert read.rootfs.read("/from") == b"engine"
