"""Every engine, with containers that run natively and emulated: one suite for all of them."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_alpine import open_image
from pytest_alpine.engine.docker import DockerEngine
from pytest_alpine.engine.labels import PID
from pytest_alpine.image.docker_client import connect
from pytest_alpine.image.store import Store
from pytest_alpine.platforms import Platform
from tests.conftest import tell
from tests.support.images import image, write_oci_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from docker import DockerClient

    from pytest_alpine import Container, Engine, Image
    from tests.testbed import Testbed

ENGINES: dict[str, Callable[[], Engine]] = {"docker": DockerEngine}
"""The engines that the suite is for; what each needs is the marker of the same name."""

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


@pytest.fixture(scope="session", params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, bed: Testbed) -> Iterator[Engine]:
    """An engine that answers."""
    if not bed.docker:
        tell("docker", bed)
    engine = ENGINES[request.param]()
    yield engine
    engine.close()
    with closing(connect()) as client:
        assert not ours(client), "containers are left behind"


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
def build(alpine: Image, store: Store, tmp_path: Path, client: DockerClient) -> Iterator[Callable[..., Image]]:
    """Return an image of Alpine with more layers, or of other layers, and with a configuration of its own."""
    names = []

    def built(*layers: bytes, config: Mapping[str, object] | None = None, scratch: bool = False) -> Image:
        below = () if scratch else [layer.tar.read_bytes() for layer in alpine.stored_layers]
        made = image(*below, *layers, config=config, platform=str(alpine.platform))
        write_oci_layout(tmp_path / "layout", {"built": [made]})
        found = open_image(f"oci:{tmp_path}/layout:built", alpine.platform, store=store)
        names.append(f"pytest-alpine:{found.id.removeprefix('sha256:')}")
        return found

    yield built
    for name in names:
        with suppress(Exception):  # most tests load it, and some remove it
            client.api.remove_image(name)


@pytest.fixture
def client(bed: Testbed) -> Iterator[DockerClient]:
    """The Docker engine itself, to see what is there, and to do what others may do to it."""
    if not bed.docker:
        tell("docker", bed)
    with closing(connect()) as found:
        yield found


def ours(client: DockerClient) -> list[str]:
    """Return the names of the containers of this process."""
    found = client.api.containers(all=True, filters={"label": f"{PID}={os.getpid()}"})
    return [name for container in found for name in container["Names"]]
