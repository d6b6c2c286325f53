"""A look at engines that are sockets with one answer."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.dockerapi.ping import look, look_docker
from pytest_alpine.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def answering(path: Path, *pieces: bytes) -> Iterator[str]:
    """Answer the next who connects to *path* with *pieces*."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            for piece in pieces:
                connection.sendall(piece)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=answer)
        thread.start()
        yield f"unix://{path}"
        thread.join()


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        ([b"HTTP/1.0 200 OK\r\nServer: Docker/20.10.24+dfsg1 (linux)\r\n\r\nOK"], "docker 20.10.24+dfsg1"),
        ([b"HTTP/1.0 200 OK\r\nserver: Libpod", b"/4.3.1 (linux)\r\n\r\nOK"], "podman 4.3.1"),
        ([b"HTTP/1.0 200 OK\r\n\r\nOK"], "docker, at unix://{}"),
        ([], "docker, at unix://{}"),
    ],
    ids=["docker", "podman-in-two-pieces", "no-name", "no-answer"],
)
def test_who_it_is(tmp_path: Path, pieces: list[bytes], found: str) -> None:
    with answering(tmp_path / "s", *pieces) as url:
        assert look(url) == found.format(tmp_path / "s")


def test_nobody(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"no engine answers at unix://\S+/s: No such file or directory"):
        look(f"unix://{tmp_path}/s")


@pytest.mark.parametrize(
    ("variables", "settings", "found"),
    [
        ({"DOCKER_HOST": "tcp://far:2375", "DOCKER_CONTEXT": "near"}, "{}", "docker, at tcp://far:2375"),
        ({"DOCKER_CONTEXT": "near"}, "{}", "docker, of the context 'near'"),
        ({}, json.dumps({"currentContext": "far"}), "docker, of the context 'far'"),
    ],
    ids=["DOCKER_HOST", "DOCKER_CONTEXT", "settings"],
)
def test_where_the_docker_command_would_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], settings: str, found: str
) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(settings)
    assert look_docker() == found


@pytest.mark.parametrize("settings", [None, "{", "[]", "{}", '{"currentContext": "default"}'])
def test_the_default_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str | None) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if settings is not None:
        (tmp_path / "config.json").write_text(settings)
    with answering(tmp_path / "s", b"HTTP/1.0 200 OK\r\nServer: Docker/1 (linux)\r\n\r\n") as url:
        monkeypatch.setattr("pytest_alpine.dockerapi.ping.DEFAULT_SOCKET", url)
        assert look_docker() == "docker 1"
