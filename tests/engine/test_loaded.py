"""Images that runs loaded into an engine: those that nothing uses are removed, and a run does without them."""

from __future__ import annotations

import gc
import os
import re
import time
import uuid
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from pytest_alpine import Image, open_image
from pytest_alpine.dockerapi.client import connect
from pytest_alpine.dockerapi.podman import connect_podman
from pytest_alpine.engine.cleanup import prune_engines
from pytest_alpine.engine.docker.engine import DockerEngine
from pytest_alpine.engine.docker.loaded import RemovedImages, remove_loaded
from pytest_alpine.errors import EngineError
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from pytest_alpine.image.store.uses import read_records
from tests.support.images import image, layer_tar, write_oci_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from docker import DockerClient

    from pytest_alpine.engine.docker.images import EngineImage

    Load = Callable[[], Image]

CONNECTIONS = [
    pytest.param(connect, marks=pytest.mark.docker, id="docker"),
    pytest.param(connect_podman, marks=pytest.mark.podman, id="podman"),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(params=CONNECTIONS)
def own_engine(request: pytest.FixtureRequest) -> Iterator[DockerEngine]:
    with closing(DockerEngine(request.param)) as found:
        yield found


@pytest.fixture
def own_client(own_engine: DockerEngine) -> Iterator[DockerClient]:
    with closing(own_engine.connect()) as found:
        yield found


@pytest.fixture
def load(
    own_engine: DockerEngine, own_client: DockerClient, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Load]:
    """Loads a new image into the engine; images that other tests have loaded there are left alone."""
    loaded: list[str] = []

    def load() -> Image:
        built = image(layer_tar({"unique": uuid.uuid4().hex}))
        number = len(loaded)
        loaded.append(built.config.digest.partition(":")[2])
        own = re.compile(rf"(?:localhost/)?pytest-alpine:(?P<id>{'|'.join(loaded)})")
        monkeypatch.setattr("pytest_alpine.engine.docker.loaded._LOADED", own)
        write_oci_layout(tmp_path / f"{number}", {"1": [built]})
        opened = open_image(f"oci:{tmp_path}/{number}:1", "amd64", access=Access(store))
        own_engine.images.ensure(opened)
        return opened

    yield load
    for name in loaded:
        with suppress(Exception):
            own_client.api.remove_image(f"pytest-alpine:{name}", force=True)


def tag(loaded: Image) -> str:
    return f"pytest-alpine:{loaded.id.partition(':')[2]}"


def short(names: tuple[str, ...]) -> set[str]:
    return {name.removeprefix("localhost/") for name in names}


def test_what_nothing_uses_is_removed(own_client: DockerClient, load: Load, store: Store) -> None:
    used, in_container, unused = load(), load(), load()
    names = [tag(one) for one in (used, in_container, unused)]
    made = own_client.api.create_container(in_container.id, command=["x"])
    try:
        del in_container, unused
        gc.collect()
        found = remove_loaded(own_client, store.root)
        assert (short(found.removed), short(found.kept)) == ({names[2]}, set(names[:2]))
    finally:
        own_client.api.remove_container(made["Id"], force=True)
    there = {name.removeprefix("localhost/") for one in own_client.api.images() for name in one.get("RepoTags") or ()}
    assert there & set(names) == set(names[:2])
    assert used.config is not None
    del used
    gc.collect()
    found = remove_loaded(own_client, store.root)
    assert (short(found.removed), found.kept) == (set(names[:2]), ())
    assert remove_loaded(own_client, store.root) == RemovedImages(removed=(), kept=())


def test_what_was_used_lately_stays_if_asked_for(own_client: DockerClient, load: Load, store: Store) -> None:
    names = [tag(load()), tag(load())]
    gc.collect()
    for record in read_records(store.root):
        if names[0].endswith(record.name.id.partition(":")[2]):
            os.utime(record.path, (time.time() - 7200,) * 2)
    found = remove_loaded(own_client, store.root, 3600)
    assert (short(found.removed), short(found.kept)) == ({names[0]}, {names[1]})


@pytest.mark.docker
@pytest.mark.parametrize("own_engine", CONNECTIONS[:1], indirect=True)
def test_every_engine_that_answers(load: Load, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    name = tag(load())
    gc.collect()
    monkeypatch.setenv("CONTAINER_HOST", "unix:///nowhere.sock")
    found = prune_engines(store)
    assert found == {"docker": RemovedImages(removed=(name,), kept=()), "podman": None}


@pytest.mark.docker
@pytest.mark.parametrize("own_engine", CONNECTIONS[:1], indirect=True)
def test_an_engine_that_fails(load: Load, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    load()
    gc.collect()

    def fail(*_: object) -> None:
        raise EngineError("cannot remove it")

    monkeypatch.setattr("docker.APIClient.remove_image", fail)
    monkeypatch.setenv("CONTAINER_HOST", "unix:///nowhere.sock")
    assert str(prune_engines(store)["docker"]) == "cannot remove it"


def test_a_container_starts_though_its_image_is_removed_meanwhile(
    own_engine: DockerEngine, own_client: DockerClient, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load()
    ensure, found = own_engine.images.ensure, []

    def removed_then(image: Image) -> EngineImage:
        found.append(ensure(image))
        if len(found) == 1:
            own_client.api.remove_image(tag(image))
        return found[-1]

    monkeypatch.setattr(own_engine.images, "ensure", removed_then)
    with closing(own_engine.start(loaded)) as container:
        assert container.read("/unique") == loaded.rootfs.read("/unique")
    assert len(found) == 2
