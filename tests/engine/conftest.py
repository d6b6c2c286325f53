"""Every engine, with containers that run natively and emulated: one suite for all of them.

A test that asks for ``client`` looks behind an engine through Docker's API: it is for the engines that speak it.
"""

from __future__ import annotations

import json
import os
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_alpine import open_image
from pytest_alpine.dockerapi.client import Connect, Endpoint, connect, endpoint
from pytest_alpine.dockerapi.podman import connect_podman
from pytest_alpine.engine.labels import PID
from pytest_alpine.engine.select import select_engine
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import Platform
from tests.conftest import need
from tests.support.images import image, write_oci_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from docker import DockerClient

    from pytest_alpine import Container, Engine, Image
    from tests.testbed import Testbed


Labels = dict[str, dict[str, str]]


class Tested(NamedTuple):
    """An engine that the suite is for."""

    name: str
    """The word for it in ``--alpine-engine``, and the marker of what it needs."""
    there: Callable[[], Labels]
    """Tells what containers there are, of this process and of others: their IDs and labels."""
    connect: Connect | None = None
    """Connects to one that speaks Docker's API."""


def by_api(connect: Connect) -> Labels:
    with closing(connect()) as client:
        return {found["Id"]: found["Labels"] for found in client.api.containers(all=True, filters={"label": PID})}


def in_folders() -> Labels:
    labels = (Store.default().root / "containers").glob("*.json")
    return {path.stem: json.loads(path.read_text()) for path in labels}


PODMAN = Tested("podman", partial(by_api, connect_podman), connect_podman)
ENGINES = {
    "bubblewrap": Tested("bubblewrap", in_folders),
    "docker": Tested("docker", partial(by_api, connect), connect),
    "podman": PODMAN,
    "podman-rootless": PODMAN,
}
"""By the words in the tests' ids."""

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
        any_will_do = "client" not in metafunc.fixturenames
        names = [name for name, tested in ENGINES.items() if tested.connect or any_will_do]
        metafunc.parametrize("engine", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest, bed: Testbed) -> Iterator[Engine]:
    """An engine that answers, and that other processes of these tests choose by its name, too."""
    need(ENGINES[request.param].name, bed)
    with pytest.MonkeyPatch.context() as patched:
        if request.param in bed.podman:
            patched.setenv("CONTAINER_HOST", bed.podman[request.param])
        engine = select_engine(ENGINES[request.param].name)
        yield engine
        engine.close()
        assert not ours(engine), "containers are left behind"


@pytest.fixture(scope="session", params=[NATIVE, EMULATED], ids=["native", "emulated"])
def platform(request: pytest.FixtureRequest) -> Platform:
    """A platform that this machine runs, natively or emulated."""
    found: Platform = request.param
    return found


@pytest.fixture(scope="session")
def access(tmp_path_factory: pytest.TempPathFactory) -> Access:
    """What the images of this run share, with a store of its own."""
    return Access(Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="session")
def base(bed: Testbed, access: Access) -> Callable[[Platform], Image]:
    """Return Alpine for a platform."""
    return lambda platform: open_image(f"minirootfs:{bed.mirror}:latest", platform, access=access)


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

    def built(*layers: bytes, config: Mapping[str, Any] | None = None, scratch: bool = False) -> Image:
        below = () if scratch else [layer.tar.read_bytes() for layer in alpine.stored_layers]
        # Equal images of two workers would be one in the engine, which the first to be done takes away.
        own = {"worker": os.environ.get("PYTEST_XDIST_WORKER", "")}
        labelled = {**(config or {}), "Labels": {**(config or {}).get("Labels", {}), **own}}
        made = image(*below, *layers, config=labelled, platform=str(alpine.platform))
        write_oci_layout(folder / "layout", {"built": [made]})
        found = open_image(f"oci:{folder}/layout:built", alpine.platform, access=alpine.access)
        names.append(f"pytest-alpine:{found.id.removeprefix('sha256:')}")
        return found

    yield built
    for url in (*bed.podman.values(), *([endpoint().url] if bed.docker else ())):
        with closing(connect(Endpoint(url=url, origin="the test bed"))) as client:
            for name in names:
                with suppress(Exception):  # most tests load it into one of them, and some remove it
                    client.api.remove_image(name)


@pytest.fixture
def client(request: pytest.FixtureRequest, bed: Testbed) -> Iterator[DockerClient]:
    """The engine itself, or Docker's, to see what is there, and to do what others may do to it."""
    if "engine" in request.fixturenames:
        opened = ENGINES[request.getfixturevalue("engine").name].connect
        assert opened is not None
    else:
        need("docker", bed)
        opened = connect
    with closing(opened()) as found:
        yield found


def ours(engine: Engine) -> list[str]:
    """Return the IDs of the containers of this process."""
    there = ENGINES[engine.name].there()
    return [name for name, labels in there.items() if labels.get(PID) == str(os.getpid())]
