"""Images in the real Docker engine."""

from __future__ import annotations

import uuid
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from docker.errors import ImageNotFound

from pytest_alpine.dockerapi.client import connect
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from tests.support.engine_proxy import EngineProxy, proxied
from tests.support.images import write_legacy_docker_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from docker import DockerClient

    from tests.support.images import BuiltImage


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(Store(tmp_path / "store"))


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    with closing(connect()) as client:
        yield client


@pytest.fixture
def names(engine: DockerClient) -> Iterator[Callable[[], str]]:
    """Names for images, which the engine forgets after the test."""
    given: list[str] = []

    def name() -> str:
        given.append(f"pytest-alpine-test/{uuid.uuid4().hex}:1.0")
        return given[-1]

    yield name
    for tag in given:
        with suppress(ImageNotFound):  # it was never used, or was removed
            engine.images.remove(tag, force=True)


@pytest.fixture
def load(engine: DockerClient, names: Callable[[], str], tmp_path: Path) -> Callable[[BuiltImage], str]:
    """Load an image into the engine and return its name there."""

    def loaded(built: BuiltImage) -> str:
        name = names()
        write_legacy_docker_archive(tmp_path / "loaded.tar", {name: built})
        with (tmp_path / "loaded.tar").open("rb") as archive:
            engine.images.load(archive)
        return name

    return loaded


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineProxy]:
    """The proxy in front of the engine, which DOCKER_HOST leads to."""
    with proxied(EngineProxy()) as running:
        monkeypatch.setenv("DOCKER_HOST", running.url)
        yield running
