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

    from pytest_alpine import Engine
    from pytest_alpine.engine.docker.images import EngineImage

    Load = Callable[[], Image]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def docker_engine(engine: Engine) -> DockerEngine:
    """The engine, which speaks Docker's API."""
    assert isinstance(engine, DockerEngine)
    return engine


@pytest.fixture
def load(
    docker_engine: DockerEngine, client: DockerClient, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        docker_engine.images.ensure(opened)
        return opened

    yield load
    for name in loaded:
        with suppress(Exception):
            client.api.remove_image(f"pytest-alpine:{name}", force=True)


def tag(loaded: Image) -> str:
    return f"pytest-alpine:{loaded.id.partition(':')[2]}"


def short(names: tuple[str, ...]) -> set[str]:
    return {name.removeprefix("localhost/") for name in names}


def test_what_nothing_uses_is_removed(client: DockerClient, load: Load, store: Store) -> None:
    used, in_container, unused = load(), load(), load()
    names = [tag(one) for one in (used, in_container, unused)]
    made = client.api.create_container(in_container.id, command=["x"])
    try:
        del in_container, unused
        gc.collect()
        found = remove_loaded(client, store.root)
        assert (short(found.removed), short(found.kept)) == ({names[2]}, set(names[:2]))
    finally:
        client.api.remove_container(made["Id"], force=True)
    there = {name.removeprefix("localhost/") for one in client.api.images() for name in one.get("RepoTags") or ()}
    assert there & set(names) == set(names[:2])
    assert used.config is not None
    del used
    gc.collect()
    found = remove_loaded(client, store.root)
    assert (short(found.removed), found.kept) == (set(names[:2]), ())
    assert remove_loaded(client, store.root) == RemovedImages(removed=(), kept=())


def test_what_was_used_lately_stays_if_asked_for(client: DockerClient, load: Load, store: Store) -> None:
    names = [tag(load()), tag(load())]
    gc.collect()
    for record in read_records(store.root):
        if names[0].endswith(record.name.id.partition(":")[2]):
            os.utime(record.path, (time.time() - 7200,) * 2)
    found = remove_loaded(client, store.root, 3600)
    assert (short(found.removed), short(found.kept)) == ({names[0]}, {names[1]})


def test_every_engine_that_answers(engine: Engine, load: Load, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    name = tag(load())
    gc.collect()
    other = {"docker": ("podman", "CONTAINER_HOST"), "podman": ("docker", "DOCKER_HOST")}[engine.name]
    monkeypatch.setenv(other[1], "unix:///nowhere.sock")
    found = prune_engines(store)
    removed = found[engine.name]
    assert isinstance(removed, RemovedImages)
    assert (short(removed.removed), removed.kept) == ({name}, ())
    assert found[other[0]] is None


def test_an_engine_that_fails(engine: Engine, load: Load, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    load()
    gc.collect()

    def fail(*_: object) -> None:
        raise EngineError("cannot remove it")

    monkeypatch.setattr("docker.APIClient.remove_image", fail)
    assert str(prune_engines(store)[engine.name]) == "cannot remove it"


def test_a_container_starts_though_its_image_is_removed_meanwhile(
    docker_engine: DockerEngine, client: DockerClient, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load()
    ensure, found = docker_engine.images.ensure, []

    def removed_then(image: Image) -> EngineImage:
        found.append(ensure(image))
        if len(found) == 1:
            client.api.remove_image(tag(image))
        return found[-1]

    monkeypatch.setattr(docker_engine.images, "ensure", removed_then)
    with closing(docker_engine.start(loaded)) as container:
        assert container.read("/unique") == loaded.rootfs.read("/unique")
    assert len(found) == 2
