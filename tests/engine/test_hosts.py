"""Engines on other machines: the test bed's second one, by TLS, by ssh and by docker context."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docker.errors import NotFound

from pytest_alpine.engine.build import build_image
from pytest_alpine.engine.docker.engine import DockerEngine
from pytest_alpine.engine.hosts import EngineHosts
from pytest_alpine.errors import EngineError, EngineUnavailable
from pytest_alpine.platforms import Platform
from tests.support.certificates import make_certificates
from tests.support.far import containers, docker, make_context, reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker import DockerClient

    from pytest_alpine import Container, Image
    from tests.bed.far import FarEngine
    from tests.testbed import Testbed

pytestmark = [pytest.mark.docker, pytest.mark.far]

ROOT = Path(__file__).resolve().parents[2]
NATIVE = Platform.native()
FOREIGN = Platform.parse("s390x")


@pytest.fixture(autouse=True)
def _reachable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    reach(request.getfixturevalue("far_engine"), monkeypatch)


@pytest.fixture(params=["tls", "ssh", "context"])
def host(request: pytest.FixtureRequest, far_engine: FarEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What names the second engine."""
    if request.param == "context":
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        subprocess.run(make_context("far-away", far_engine), check=True, capture_output=True)
        for name in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
            monkeypatch.delenv(name)
    names = {"tls": far_engine.tcp, "ssh": far_engine.ssh, "context": "far-away"}
    return names[request.param]


@pytest.fixture
def alpine(base: Callable[[Platform], Image]) -> Image:
    return base(NATIVE)


def name_of(container: Container) -> str:
    return shlex.split(container.remove_command)[-1]


KILLED = """
import os, signal, sys
from pathlib import Path
from pytest_alpine import open_image
from pytest_alpine.engine.host_addresses import parse_hosts
from pytest_alpine.engine.hosts import open_engine
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
image = open_image(sys.argv[1], sys.argv[2], access=Access(Store(Path(sys.argv[3]))))
container = open_engine("auto", parse_hosts([f"{sys.argv[2]}={sys.argv[4]}"])).start(image)
children = " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children"))
print(container.remove_command.split()[-1], children, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def ssh_processes() -> list[int]:
    """Return the ssh commands that this process runs."""
    children = " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children")).split()
    return [int(pid) for pid in children if is_ssh(int(pid))]


def is_ssh(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[0].endswith(b"ssh")


def test_a_container_on_another_machine(host: str, alpine: Image, far_engine: FarEngine) -> None:
    with closing(EngineHosts(DockerEngine, {NATIVE: host})) as engine:
        container = engine.start(alpine)
        assert containers(far_engine, os.getpid()) == {name_of(container)}
        assert container.run("echo $((6 * 7)); cat", stdin="in", check=True).stdout == "42\nin"
        assert container.host.file("/etc/alpine-release").exists
        container.write("/etc/here", "there")
        assert container.read("/etc/here") == b"there"
        assert not container.emulated
        command = ["-i" if word == "-it" else word for word in shlex.split(container.keep())]
        asked = subprocess.run(command, input="cat /etc/here", capture_output=True, text=True, check=False)
        assert asked.stdout == "there", asked.stderr
        removed = subprocess.run(shlex.split(container.remove_command), capture_output=True, text=True, check=False)
        assert removed.returncode == 0, removed.stderr
    assert containers(far_engine, os.getpid()) == set()


def test_the_others_stay_here(alpine: Image, far_engine: FarEngine) -> None:
    with closing(EngineHosts(DockerEngine, {FOREIGN: far_engine.tcp})) as engine, engine.start(alpine) as container:
        assert container.enter_command.startswith("docker exec ")
        assert containers(far_engine, os.getpid()) == set()
        assert engine.name == "docker"
        here, there = engine.describe().splitlines()
        assert here.startswith("docker ")
        assert there.startswith("linux/s390x: docker ")


@pytest.mark.podman
def test_podman_can_be_the_other_machines_engine(alpine: Image, bed: Testbed) -> None:
    url = next(iter(bed.podman.values()))
    with closing(EngineHosts(DockerEngine, {NATIVE: url})) as engine:
        assert engine.of(NATIVE).name == "podman"
        with engine.start(alpine) as container:
            assert container.run("echo here", check=True).stdout == "here\n"
            assert container.enter_command == f"docker -H {url} exec -it {name_of(container)} /bin/sh"


@pytest.mark.parametrize("host", ["ssh"], indirect=True)
def test_what_a_killed_run_left_there_is_removed(host: str, alpine: Image, far_engine: FarEngine) -> None:
    words = [str(alpine.reference), str(NATIVE), str(alpine.store.root), host]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *words], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    name, *children = killed.stdout.split()
    assert children
    deadline = time.monotonic() + 20
    while any(is_ssh(int(pid)) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_ssh(int(pid)) for pid in children)
    with closing(EngineHosts(DockerEngine, {NATIVE: host})) as engine:
        engine.of(NATIVE)
        assert name not in containers(far_engine)
        assert len(ssh_processes()) == 1
    assert not ssh_processes()


@pytest.mark.parametrize("host", ["ssh"], indirect=True)
def test_another_machine_is_not_taken_for_this_one(host: str) -> None:
    with closing(EngineHosts(DockerEngine, {NATIVE: host})) as engine:
        far = engine.of(NATIVE)
        assert isinstance(far, DockerEngine)
        assert far._is_here()  # by its name, which is this machine's
        far._info["Name"] = "elsewhere"
        assert not far._is_here()  # though a socket leads to it, and its kernel is the same


@pytest.mark.parametrize("host", ["ssh"], indirect=True)
def test_a_build_runs_where_its_platform_does(
    host: str, alpine: Image, far_engine: FarEngine, client: DockerClient, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("ARG ALPINE_IMAGE\nFROM ${ALPINE_IMAGE}\nCOPY Dockerfile /built\n")
    with closing(EngineHosts(DockerEngine, {NATIVE: host})) as engine:
        missing = f"cannot build {tmp_path}/none for {NATIVE}: no such file: {tmp_path}/none/Dockerfile"
        with pytest.raises(EngineError, match=missing):
            build_image(engine, alpine, tmp_path / "none")
        built = build_image(engine, alpine, tmp_path)
        assert built.rootfs.read("/built").startswith(b"ARG ALPINE_IMAGE")
        try:
            assert docker(far_engine, "inspect", "--format", "{{.Id}}", built.id).strip() == built.id
            with pytest.raises(NotFound):
                client.images.get(built.id)
            with engine.start(built) as container:
                assert container.read("/built") == built.rootfs.read("/built")
        finally:
            docker(far_engine, "rmi", built.id)


@pytest.mark.parametrize("way", ["DOCKER_HOST", "DOCKER_HOST-ssh", "DOCKER_CONTEXT"])
def test_the_docker_commands_own_settings(
    way: str, far_engine: FarEngine, alpine: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "DOCKER_CONTEXT":
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        monkeypatch.delenv("DOCKER_TLS_VERIFY")
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        subprocess.run(make_context("far-away", far_engine), check=True, capture_output=True)
        monkeypatch.setenv("DOCKER_CONTEXT", "far-away")
    else:
        monkeypatch.setenv("DOCKER_HOST", far_engine.ssh if way.endswith("ssh") else far_engine.tcp)
    # Authorities for the web; the engine has its own.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(make_certificates(tmp_path).authority))
    with closing(DockerEngine()) as engine, engine.start(alpine) as container:
        assert containers(far_engine, os.getpid()) == {name_of(container)}
        assert container.run("true").exit_code == 0


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("ssh://far/nowhere.sock", "no engine answers on /nowhere.sock there ("),
        (
            "ssh://nobody@far",
            "nobody@127.0.0.1: Permission denied (publickey).; see whether it runs: docker -H ssh://n",
        ),
        ("ssh://no-such-host.invalid", "ssh: Could not resolve hostname no-such-host.invalid: "),
        (
            "TCP",
            "it wants TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem",
        ),
        ("TLS", "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
    ],
    ids=["no-socket", "no-key", "no-host", "no-tls", "another-authority"],
)
def test_a_machine_that_lets_nobody_in(
    host: str, message: str, far_engine: FarEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if host == "TCP":
        monkeypatch.delenv("DOCKER_TLS_VERIFY")
        monkeypatch.delenv("DOCKER_CERT_PATH")
    elif host == "TLS":
        made = make_certificates(tmp_path)
        for path, name in ((made.authority, "ca.pem"), (made.certificate, "cert.pem"), (made.key, "key.pem")):
            path.rename(tmp_path / name)
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    url = host if "://" in host else far_engine.tcp
    engine = EngineHosts(DockerEngine, {NATIVE: url})
    with pytest.raises(EngineUnavailable) as caught:
        engine.of(NATIVE)
    assert str(caught.value).startswith(f"no Docker engine answers at {url} (as named): ")
    assert message in str(caught.value)


def test_a_machine_without_an_ssh_command(far_engine: FarEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineUnavailable, match="there is no ssh command; install it: apt-get install openssh-client"):
        EngineHosts(DockerEngine, {NATIVE: far_engine.ssh}).of(NATIVE)
