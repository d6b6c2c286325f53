"""Every engine, with containers that run natively and emulated: one suite for all of them.

A test that asks for ``client`` looks behind an engine through Docker's API: it is for the engines that speak it.
"""

from __future__ import annotations

import json
import os
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_alpine import open_image
from pytest_alpine.engine.bubblewrap import BubblewrapEngine
from pytest_alpine.engine.docker import DockerEngine
from pytest_alpine.engine.labels import PID
from pytest_alpine.image.docker_client import connect
from pytest_alpine.image.store import Store
from pytest_alpine.platforms import Platform
from tests.conftest import need
from tests.support.images import image, write_oci_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from docker import DockerClient

    from pytest_alpine import Container, Engine, Image
    from tests.testbed import Testbed


class Tested(NamedTuple):
    """An engine that the suite is for."""

    make: Callable[[], Engine]
    there: Callable[[], Mapping[str, Mapping[str, str]]]
    """Tells what containers there are, of this process and of others: their IDs and labels."""
    speaks_docker: bool = False


def in_docker() -> dict[str, dict[str, str]]:
    with closing(connect()) as client:
        return {found["Id"]: found["Labels"] for found in client.api.containers(all=True, filters={"label": PID})}


def in_folders() -> dict[str, dict[str, str]]:
    labels = (Store.default().root / "containers").glob("*.json")
    return {path.stem: json.loads(path.read_text()) for path in labels}


ENGINES = {
    "bubblewrap": Tested(BubblewrapEngine, in_folders),
    "docker": Tested(DockerEngine, in_docker, speaks_docker=True),
}
"""By name; what each needs is the marker of the same name."""

NATIVE = Platform.native()
EMULATED = Platform.parse("arm64" if NATIVE.architecture != "arm64" else "amd64")

Build = "Callable[..., Image]"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is None or not item.path.is_relative_to(Path(__file__).parent):
            continue
        if callspec.params.get("platform") == EMULATED:
            item.add_marker("emulators")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        by_api = "client" in metafunc.fixturenames
        names = [name for name, tested in ENGINES.items() if tested.speaks_docker or not by_api]
        metafunc.parametrize("engine", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest, bed: Testbed) -> Iterator[Engine]:
    """An engine that answers."""
    need(request.param, bed)
    engine = ENGINES[request.param].make()
    yield engine
    engine.close()
    assert not ours(engine), "containers are left behind"


@pytest.fixture(scope="session", params=[NATIVE, EMULATED], ids=["native", "emulated"])
def platform(request: pytest.FixtureRequest) -> Platform:
    """A platform that this machine runs, natively or emulated."""
    found: Platform = request.param
    return found


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of this run."""
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def base(bed: Testbed, store: Store) -> Callable[[Platform], Image]:
    """Return Alpine for a platform."""
    return lambda platform: open_image(f"minirootfs:{bed.mirror}:latest", platform, store=store)


@pytest.fixture(scope="session")
def alpine(base: Callable[[Platform], Image], platform: Platform) -> Image:
    """Alpine for the current platform."""
    return base(platform)


@pytest.fixture(scope="session")
def container(engine: Engine, alpine: Image) -> Iterator[Container]:
    """A running Alpine, shared by tests that leave it as it is."""
    with engine.start(alpine) as started:
        yield started


@pytest.fixture
def fresh(engine: Engine, alpine: Image) -> Iterator[Container]:
    """A running Alpine for one test."""
    with engine.start(alpine) as started:
        yield started


@pytest.fixture
def build(alpine: Image, tmp_path: Path, bed: Testbed) -> Iterator[Callable[..., Image]]:
    """Return an image of Alpine with more layers, or of other layers, and with a configuration of its own."""
    with builder(alpine, tmp_path, bed) as built:
        yield built


@contextmanager
def builder(alpine: Image, folder: Path, bed: Testbed) -> Iterator[Callable[..., Image]]:
    """Open the function that ``build`` is."""
    names = []

    def built(*layers: bytes, config: Mapping[str, object] | None = None, scratch: bool = False) -> Image:
        below = () if scratch else [layer.tar.read_bytes() for layer in alpine.stored_layers]
        made = image(*below, *layers, config=config, platform=str(alpine.platform))
        write_oci_layout(folder / "layout", {"built": [made]})
        found = open_image(f"oci:{folder}/layout:built", alpine.platform, store=alpine.store)
        names.append(f"pytest-alpine:{found.id.removeprefix('sha256:')}")
        return found

    yield built
    if bed.docker:
        with closing(connect()) as client:
            for name in names:
                with suppress(Exception):  # most tests load it, and some remove it
                    client.api.remove_image(name)


@pytest.fixture
def client(bed: Testbed) -> Iterator[DockerClient]:
    """The Docker engine itself, to see what is there, and to do what others may do to it."""
    need("docker", bed)
    with closing(connect()) as found:
        yield found


def ours(engine: Engine) -> list[str]:
    """Return the IDs of the containers of this process."""
    there = ENGINES[engine.name].there()
    return [name for name, labels in there.items() if labels.get(PID) == str(os.getpid())]
