"""What containers are connected to."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_alpine import ContainerStartError, EngineUnavailable
from pytest_alpine.dockerapi.client import endpoint
from pytest_alpine.engine.docker.engine import DockerEngine
from pytest_alpine.engine.hosts import EngineHosts
from pytest_alpine.engine.keepalive import pause_program
from pytest_alpine.engine.select import select_engine
from tests.engine.conftest import ours
from tests.support.images import Directory, File, layer_tar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient

    from pytest_alpine import Container, Engine, Image
    from pytest_alpine.platforms import Platform

# One process listens on the loopback, and another asks it.
TALK = "echo hello | nc -l -p 7070 & until nc localhost 7070 2>/dev/null; do sleep 0.1; done"


def interfaces(container: Container) -> set[str]:
    """Return the names of the network interfaces."""
    table = container.run("cat /proc/net/dev", check=True).stdout.splitlines()[2:]
    # The kernel puts tunnels that lead nowhere into every namespace, where it has their modules.
    return {line.partition(":")[0].strip() for line in table} & {"lo", "eth0", "tap0"}


@contextmanager
def connecting(engine: Engine, network: str) -> Iterator[Engine]:
    """Open an engine of the same kind that connects containers to *network*."""
    with closing(cast("Any", select_engine(engine.name, network))) as made:
        yield made


@pytest.fixture
def network(client: DockerClient) -> Iterator[str]:
    """A network of the engine."""
    made = client.networks.create(f"pytest-alpine-tests-{os.getpid()}")
    yield str(made.name)
    made.remove()


@pytest.mark.parametrize("config", [{}, {"User": "nobody"}, {"Env": ["PATH="]}], ids=["root", "nobody", "no path"])
def test_none(engine: Engine, build: Callable[..., Image], config: dict[str, Any]) -> None:
    with connecting(engine, "none") as alone, alone.start(build(config=config)) as container:
        assert container.run(["/bin/hostname"]).stdout.strip()
        assert container.read("/etc/hosts").startswith(b"127.0.0.1\tlocalhost\n")
        assert container.logs() == ""
        if not config.get("Env"):
            assert interfaces(container) == {"lo"}
            assert container.run(TALK, timeout=30, check=True).stdout == "hello\n"


@pytest.mark.usefixtures("client")  # a sandbox has none
def test_the_engine_s_own_choice(container: Container) -> None:
    assert interfaces(container) > {"lo"}


def test_one_by_name(engine: Engine, alpine: Image, client: DockerClient, network: str) -> None:
    with connecting(engine, network) as connected, connected.start(alpine) as container:
        assert interfaces(container) > {"lo"}
        assert list(client.api.inspect_container(container.id)["NetworkSettings"]["Networks"]) == [network]


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("name", ["no-such-network", "no name"])
def test_one_that_there_is_not(engine: Engine, alpine: Image, name: str) -> None:
    before = ours(engine)
    with (
        connecting(engine, name) as connected,
        pytest.raises(
            ContainerStartError,
            match=rf"cannot start a container of \S+ \(.*\): {engine.name} has no network '{name}' "
            rf"\(expected one that it lists: {engine.name} network ls; or none\)$",
        ),
    ):
        connected.start(alpine)
    assert ours(engine) == before


@pytest.mark.bubblewrap
def test_bubblewrap_has_none() -> None:
    expected = (
        r"bubblewrap has no network 'backend', and no other: choose --alpine-engine docker or podman, or --alpine-n"
    )
    with pytest.raises(EngineUnavailable, match=expected):
        select_engine("bubblewrap", "backend")


def test_docker_makes_nothing_of_none(alpine: Image, client: DockerClient) -> None:
    with closing(DockerEngine(network="none")) as engine, engine.start(alpine) as container:
        assert client.api.inspect_container(container.id)["NetworkSettings"]["SandboxID"] == ""


@pytest.mark.usefixtures("client")
def test_docker_without_a_shell(build: Callable[..., Image], platform: Platform) -> None:
    program = File(pause_program(platform.machine) or b"", mode=0o755)
    image = build(layer_tar({"wait": program, "etc": Directory()}), scratch=True, config={"Entrypoint": ["/wait"]})
    with closing(DockerEngine(network="none")) as engine, engine.start(image) as container:
        assert container.read("/etc/hosts").startswith(b"127.0.0.1\tlocalhost\n")


@pytest.mark.usefixtures("client")
def test_other_machines_too(alpine: Image) -> None:
    hosts = {alpine.platform: endpoint().url}
    with closing(EngineHosts(DockerEngine, hosts, "none")) as engine, engine.start(alpine) as container:
        assert interfaces(container) == {"lo"}
