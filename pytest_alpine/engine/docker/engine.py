"""The Docker engine, and others with its API.

Spec: https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

import os
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pytest_alpine.dockerapi.client import Connect, connect, docker_errors
from pytest_alpine.dockerapi.variants import read_api
from pytest_alpine.engine.docker.container import DockerContainer, remove_container
from pytest_alpine.engine.docker.images import DockerImages
from pytest_alpine.engine.docker.start import DockerStart
from pytest_alpine.engine.emulation import Machines, describe_platforms, read_handlers
from pytest_alpine.engine.labels import KEPT, RUN, is_dead
from pytest_alpine.engine.running import RunningContainers
from pytest_alpine.errors import EngineRefusedError
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from pytest_alpine.engine.base import Engine
    from pytest_alpine.image.image import Image


class DockerEngine:
    """An engine with Docker's API. Several threads may use it at the same time."""

    def __init__(self, connect: Connect = connect, command: str | None = None, *, network: str | None = None) -> None:
        """Use the engine that *connect* connects to.

        Args:
            connect: opens a connection anew at every call; by default to where the docker command would connect.
            command: what people type to reach the engine; its name when None.
            network: what containers are connected to: the name of one that the engine has, ``none``, or the engine's
                own choice when None.

        Raises:
            EngineUnavailable: none answers.
            EngineError: it failed.
        """
        self.connect = connect
        """Opens a new connection, which the caller closes."""
        self._client = connect()
        with docker_errors("cannot ask the engine for its version"):
            self._info: dict[str, Any] = self._client.info()
        self.api = read_api(self._info, command)
        """The properties in which the engine differs from others with Docker's API."""
        self.machines = Machines(
            native=Platform.parse(self._info["Architecture"]),
            handlers=read_handlers() if self._is_here() else None,
        )
        """The platforms that its machine runs."""
        self.images = DockerImages(self._client, f"{self._info['Name']} {self._info['DockerRootDir']}")
        """The images in the store of the engine."""
        self._running = RunningContainers()
        self._starter = DockerStart(
            self._client, self._running, native=self.machines.native.machine, api=self.api, network=network
        )

    @property
    def name(self) -> str:
        """The name of the engine in ``--alpine-engine``."""
        return self.api.name

    def describe(self) -> str:
        """Return one line about the engine: version, storage, and the platforms that it emulates."""
        version = f"{self.name} {self._info.get('ServerVersion', '')}, {self._info.get('Driver', '')}"
        if self.machines.handlers is None:
            return f"{version}; which platforms it emulates, trying tells"
        return f"{version}; emulated: {describe_platforms(self.machines.emulates()) or 'none'}"

    def emulated(self, platform: Platform) -> bool:
        """Whether programs of *platform* are emulated; see ``Engine.emulated``."""
        return self.machines.emulated(platform)

    def start(self, image: Image) -> DockerContainer:
        """Start a container of *image*; see ``Engine.start``."""
        emulated = self.emulated(image.platform)
        try:
            return self._starter.start(image, self.images.ensure(image), emulated=emulated)
        except EngineRefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        # Somebody has removed the image from the engine in the moment since it was found there: it is loaded again.
        return self._starter.start(image, self.images.ensure(image), emulated=emulated)

    def sweep(self) -> list[str]:
        """Remove the containers of dead runs on this machine, and return their names."""
        with docker_errors("cannot list containers"):
            found = self._client.api.containers(all=True, filters={"label": RUN})
        removed = []
        for container in found:
            name = next(iter(container.get("Names") or ()), container["Id"]).lstrip("/")
            # Another process may sweep at the same time, and have removed it.
            dead = not name.startswith(KEPT) and is_dead(container["Labels"])
            if dead and remove_container(self._client, container["Id"], name):
                removed.append(name)
        return removed

    def close(self) -> None:
        """Stop all containers that this object started, except those that are kept, and close the connection.

        Includes containers that could not be stopped before, and those that may not have been created.

        Raises:
            EngineError: one could not be stopped.
        """
        try:
            self._running.close()
        finally:
            self._client.close()

    def _is_here(self) -> bool:
        """Whether the engine runs on this machine's own kernel, whose emulators can be seen."""
        by_socket = self._client.api.base_url == "http+docker://localhost"
        same_name = self._info.get("Name") == socket.gethostname()
        return (by_socket or same_name) and self._info.get("KernelVersion") == os.uname().release


if TYPE_CHECKING:
    _: type[Engine] = DockerEngine
