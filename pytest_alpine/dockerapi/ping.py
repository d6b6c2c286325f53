"""The name and version of the engine behind a socket, found without any library, for the header of a run.

Spec: the Engine API, "Ping". Podman answers it too, with its own name in the ``Server`` header.
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import closing
from typing import Final

from pytest_alpine.dockerapi.client import DEFAULT_SOCKET
from pytest_alpine.dockerapi.contexts import DEFAULT, current_context
from pytest_alpine.errors import EngineUnavailable

_TIMEOUT: Final = 10.0
_ANSWER_SIZE: Final = 4096
_REQUEST: Final = b"GET /_ping HTTP/1.0\r\nHost: localhost\r\n\r\n"
# Server: Docker/20.10.24+dfsg1 (linux), Server: Libpod/4.3.1 (linux)
_SERVER: Final = re.compile(r"^server: *(?P<name>docker|libpod)/(?P<version>\S+)", re.IGNORECASE | re.MULTILINE)
_NAMES: Final = {"docker": "docker", "libpod": "podman"}


def look_docker() -> str:
    """Return the name and version of the engine that the docker command would use, if it is on a local socket.

    For an engine on another machine or of a docker context, return its address only: the version would take longer.

    Raises:
        EngineUnavailable: no engine answers.
    """
    if not os.environ.get("DOCKER_HOST") and (context := current_context()) != DEFAULT:
        return f"docker, of the context {context!r}"
    return look(os.environ.get("DOCKER_HOST") or DEFAULT_SOCKET)


def look(url: str, name: str = "docker") -> str:
    """Return the name and version of the engine at *url*; for an engine on another machine, *name* and *url*.

    Raises:
        EngineUnavailable: no engine answers.
    """
    scheme, _, path = url.partition("://")
    if scheme != "unix":
        return f"{name}, at {url}"
    try:
        answer = _ask(path if path.startswith("/") else f"/{path}")
    except OSError as error:
        raise EngineUnavailable(f"no engine answers at {url}: {error.strerror or error}") from error
    found = _SERVER.search(answer)
    return f"{_NAMES[found['name'].lower()]} {found['version']}" if found else f"{name}, at {url}"


def _ask(path: str) -> str:
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(_TIMEOUT)
        connection.connect(path)
        connection.sendall(_REQUEST)
        answer = b""
        while b"\r\n\r\n" not in answer and len(answer) < _ANSWER_SIZE:
            piece = connection.recv(_ANSWER_SIZE)
            if not piece:
                break
            answer += piece
    return answer.decode("latin-1").replace("\r\n", "\n")
