"""Connections to Podman by its service, which has Docker's API.

Spec: https://docs.podman.io/en/latest/markdown/podman-system-service.1.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_alpine.dockerapi.client import Endpoint, connect
from pytest_alpine.dockerapi.ping import look
from pytest_alpine.errors import EngineUnavailable

if TYPE_CHECKING:
    from docker import DockerClient

HOST_VARIABLE: Final = "CONTAINER_HOST"

_SOCKET: Final = "podman/podman.sock"
_SCHEMES: Final = ("unix", "tcp")
_WAY_OUT: Final = (
    "start it: systemctl --user enable --now podman.socket (as root without --user), or podman system service --time=0 "
    f"URL with {HOST_VARIABLE}=URL"
)


def podman_endpoint() -> Endpoint:
    """Return the endpoint of podman's service: ``CONTAINER_HOST``, else the socket of this user, or of the system.

    Raises:
        EngineUnavailable: ``CONTAINER_HOST`` is not a URL with ``unix://`` or ``tcp://``.
    """
    named = os.environ.get(HOST_VARIABLE)
    if named:
        if named.partition("://")[0] not in _SCHEMES:
            raise EngineUnavailable(f"{HOST_VARIABLE}={named}: cannot be used (expected unix:// or tcp://)")
        return _endpoint(named, f"from {HOST_VARIABLE}")
    if os.geteuid() == 0:
        return _endpoint(f"unix:///run/{_SOCKET}", "the system's socket")
    folder = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    return _endpoint(f"unix://{Path(folder) / _SOCKET}", "the user's socket")


def connect_podman() -> DockerClient:
    """Return a client of podman's service; see ``client.connect``."""
    return connect(podman_endpoint())


def look_podman() -> str:
    """Return podman's name and version.

    Raises:
        EngineUnavailable: podman's service does not answer.
    """
    return look(podman_endpoint().url, "podman")


def _endpoint(url: str, origin: str) -> Endpoint:
    return Endpoint(url=url, origin=origin, engine="podman service", way_out=_WAY_OUT)
