"""Where the Docker engine is looked for, and what is said when none answers."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.dockerapi import client as docker_client
from pytest_alpine.dockerapi.client import connect, docker_errors, endpoint
from pytest_alpine.errors import EngineError, EngineRefusedError, EngineUnavailable
from tests.support.engine_server import EngineServer, serving_engine

if TYPE_CHECKING:
    from pathlib import Path

WAY_OUT = "start dockerd (and join the group that owns its socket), or set DOCKER_HOST to another engine"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home with no settings of Docker."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def write_context(home: Path, name: str, host: str) -> Path:
    """Write a context as ``docker context create`` does."""
    folder = home / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    endpoints = {"docker": {"Host": host, "SkipTLSVerify": False}}
    (folder / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints}))
    return folder / "meta.json"


def refused() -> str:
    with pytest.raises(EngineUnavailable) as caught:
        connect()
    return str(caught.value)


def test_the_default_socket() -> None:
    assert str(endpoint()) == "unix:///var/run/docker.sock (the default socket)"


def test_docker_host_comes_first(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    write_context(home, "far", "tcp://192.0.2.1:2375")
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.9:2375")
    assert str(endpoint()) == "tcp://192.0.2.9:2375 (from DOCKER_HOST)"


def test_the_context_of_the_environment(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    write_context(home, "far", "tcp://192.0.2.1:2375")
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    assert str(endpoint()) == "tcp://192.0.2.1:2375 (docker context 'far')"


def test_the_current_context(home: Path) -> None:
    write_context(home, "near", "unix:///run/user/1000/docker.sock")
    (home / "config.json").write_text('{"currentContext": "near"}')
    assert str(endpoint()) == "unix:///run/user/1000/docker.sock (docker context 'near')"


def test_contexts_written_by_docker_itself() -> None:
    command = ["docker", "context", "create", "made", "--docker", "host=tcp://192.0.2.1:2375"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("the docker command is not installed")
    subprocess.run(["docker", "context", "use", "made"], check=True, capture_output=True)
    assert str(endpoint()) == "tcp://192.0.2.1:2375 (docker context 'made')"


def test_tls_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (home / name).touch()
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.9:2376")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(home))
    found = endpoint()
    assert (found.tls.ca_cert, found.tls.verify) == (str(home / "ca.pem"), True)


def test_an_engine_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_engine(EngineServer()) as server:
        monkeypatch.setenv("DOCKER_HOST", server.url)
        client = connect(timeout=77)
        assert (client.api.api_version, client.api.timeout, server.log) == ("1.48", 77, ["/_ping"])
        client.close()


def test_an_engine_that_tells_its_version_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_engine(EngineServer(headers={})) as server:
        monkeypatch.setenv("DOCKER_HOST", server.url)
        client = connect()
        assert (client.api.api_version, server.log) == ("1.41", ["/_ping", "/version"])
        client.close()


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("unix:///nowhere.sock", "No such file or directory"),
        ("unix:///etc/passwd", "Connection refused"),
        ("tcp://127.0.0.1:1", "Connection refused"),
        ("tcp://no-such-host.invalid:2375", "Name or service not known"),
        ("ftp://127.0.0.1:1", "Invalid bind address protocol: ftp://127.0.0.1:1"),
    ],
    ids=["no-socket", "no-listener", "no-port", "no-host", "no-protocol"],
)
def test_no_engine_answers(monkeypatch: pytest.MonkeyPatch, host: str, reason: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    said = refused()
    if "invalid:" in host:  # resolvers differ in their words
        said = said.replace("Temporary failure in name resolution", reason)
    assert said == f"no Docker engine answers at {host} (from DOCKER_HOST): {reason}; {WAY_OUT}"


def test_an_engine_that_refuses_the_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_engine(EngineServer(status={"/_ping": 503})) as server:
        monkeypatch.setenv("DOCKER_HOST", server.url)
        assert refused().startswith(f"no Docker engine answers at {server.url} (from DOCKER_HOST): 503 Server Error")


def test_an_engine_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_client, "_CONNECT_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        assert "timed out" in refused()


def test_an_unknown_context(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    write_context(home, "far", "tcp://192.0.2.1:2375")
    monkeypatch.setenv("DOCKER_CONTEXT", "fra")
    assert refused() == f"there is no docker context 'fra' (known: default, far); {WAY_OUT}"


def test_a_broken_context(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    path = write_context(home, "far", "tcp://192.0.2.1:2375")
    path.write_text('{"Name": "far"}')
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    expected = "KeyError('Endpoints') (expected a host at Endpoints.docker.Host)"
    assert refused() == f"docker context 'far' cannot be read: {path}: {expected}; {WAY_OUT}"


def test_tls_settings_without_certificates(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.9:2376")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(home))
    assert refused().startswith("cannot tell where the Docker engine listens: Path to a certificate and key files")


def test_refusals_carry_status_and_the_engines_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_engine(EngineServer()) as server:
        monkeypatch.setenv("DOCKER_HOST", server.url)
        client = connect()
        with pytest.raises(EngineRefusedError) as caught, docker_errors("cannot inspect 'x'"):
            client.images.get("x")
        client.close()
    assert (caught.value.status, caught.value.explanation) == (404, "No such image: x")
    assert str(caught.value) == "cannot inspect 'x': the engine refused: No such image: x (HTTP 404)"


def test_late_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_engine(EngineServer()) as server:
        monkeypatch.setenv("DOCKER_HOST", server.url)
        client = connect(timeout=1)
    with socket.create_server(("127.0.0.1", int(server.url.rpartition(":")[2]))):
        with (
            pytest.raises(EngineError, match="cannot wait: the engine gave no answer in time: "),
            docker_errors("cannot wait"),
        ):
            client.images.get("x")
        client.close()


@pytest.mark.parametrize(
    "error", [ConnectionResetError(104, "Connection reset by peer"), BrokenPipeError(32, "Broken pipe")]
)
def test_connections_that_break(error: OSError) -> None:
    with pytest.raises(EngineUnavailable) as caught, docker_errors("cannot attach"):
        raise error
    assert str(caught.value) == (
        f"cannot attach: the connection to the engine broke: {error.strerror}; see whether it still runs: docker info"
    )


def test_errors_of_others_pass() -> None:
    with pytest.raises(FileNotFoundError), docker_errors("cannot copy"):
        raise FileNotFoundError(2, "No such file or directory")


def test_docker_is_loaded_when_it_is_needed() -> None:
    code = (
        "import sys, pytest_alpine.image.daemon.source; sys.exit('docker' in sys.modules or 'requests' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
