"""Starts containers that keep running, without the entrypoints of their images.

Spec: the Engine API, "Create a container"
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.dockerapi.client import docker_errors
from pytest_alpine.engine.base import NO_NETWORK
from pytest_alpine.engine.docker.container import DockerContainer, remove_container
from pytest_alpine.engine.exec.command import SHELL
from pytest_alpine.engine.keepalive import BY_SHELL, PROGRAM, pause_program
from pytest_alpine.engine.labels import container_name, run_labels
from pytest_alpine.engine.starting import all_said, is_format_error, start_or_explain, start_problem
from pytest_alpine.errors import AlpineError, ContainerStartError, EngineError, EngineRefusedError, EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docker import DockerClient

    from pytest_alpine.dockerapi.variants import Api
    from pytest_alpine.engine.docker.images import EngineImage
    from pytest_alpine.engine.running import RunningContainers
    from pytest_alpine.image.image import Image
    from pytest_alpine.platforms import Machine

_NO_SUCH_NETWORK: Final = re.compile(r"network .*not found")
# Podman without catatonit, which it does not report earlier.
_NO_INIT: Final = "container-init binary not found"
# Seconds within which a container that fails at its start dies.
_DYING: Final = 2.0


class _NoShellError(EngineError):
    """The image has no shell."""


class _NoInitError(EngineError):
    """The engine has no init process after all."""


class _NoNetworkError(ContainerStartError):
    """The engine has no such network."""


class DockerStart:
    """Starts containers on one engine."""

    def __init__(
        self, client: DockerClient, running: RunningContainers, *, api: Api, network: str | None, native: Machine
    ) -> None:
        """Start no container yet.

        Args:
            client: the connection to the engine.
            running: where containers are noted before they are made.
            api: how the engine differs from others.
            network: what containers are connected to; see ``DockerEngine``.
            native: the machine that the engine runs on.
        """
        self._client = client
        self._running = running
        self._api = api
        self._has_init = api.has_init
        self._network = network
        # To create a network that is not used takes Docker as long as the rest of a start.
        self._network_disabled = network == NO_NETWORK and api.disables_networks
        self._native = native

    def start(self, image: Image, held: EngineImage, *, emulated: bool) -> DockerContainer:
        """Start a container of *image*, which is *held* in the engine's store; see ``Engine.start``."""
        if self._has_init:
            with suppress(_NoShellError, _NoInitError):
                return self._started(image, held, BY_SHELL, emulated=emulated)
        if pause_program(self._native) is None:
            raise ContainerStartError(
                f"cannot keep a container of {image} running: it has no {SHELL}, or the engine no init process, and "
                f"no program for its machine is known that would wait; read its files with open_image()"
            )
        return self._started(image, held, (PROGRAM,), emulated=emulated)

    def _started(self, image: Image, held: EngineImage, program: Sequence[str], *, emulated: bool) -> DockerContainer:
        container = self._created(image, held, self._kept_alive(program), emulated=emulated)
        start_or_explain(
            container, lambda: self._boot(container, program), lambda error: _diagnosis(container, program, error)
        )
        return container

    def _created(
        self, image: Image, held: EngineImage, options: Mapping[str, Any], *, emulated: bool
    ) -> DockerContainer:
        name = container_name(image)
        # An engine that dies may have created the container without an answer.
        self._running.add(name, partial(remove_container, self._client, name, name))
        forget = partial(self._running.forget, name)
        try:
            with self._refusals(image), docker_errors(f"cannot create a container of {image}"):
                made = self._client.api.create_container(
                    held.name, name=name, labels=run_labels(), platform=held.platform, **options
                )
        except (EngineRefusedError, _NoInitError, _NoNetworkError):
            forget()
            raise
        container = DockerContainer(
            self._client, made["Id"], name, image, emulated=emulated, api=self._api, forget=forget
        )
        self._running.add(name, container.close)
        return container

    def _kept_alive(self, program: Sequence[str]) -> dict[str, Any]:
        """Return the options of a container that runs only *program*."""
        host_config = self._client.api.create_host_config(init=self._has_init or None, network_mode=self._network)
        return {
            "entrypoint": list(program),
            "command": [],
            # The image's own program does not run, so that its health check would fail.
            "healthcheck": {"test": ["NONE"]},
            "host_config": host_config,
            "network_disabled": self._network_disabled,
        }

    @contextmanager
    def _refusals(self, image: Image) -> Iterator[None]:
        """Raise the reason why the engine refuses to create or to start a container of *image*."""
        try:
            yield
        except EngineRefusedError as error:
            if _NO_INIT in error.explanation:
                self._has_init = False
                raise _NoInitError(str(error)) from error
            if self._network is not None and _NO_SUCH_NETWORK.search(error.explanation):
                raise _NoNetworkError(
                    f"cannot start a container of {image}: {self._api.name} has no network {self._network!r} (expected "
                    f"one that it lists: {self._api.command} network ls; or {NO_NETWORK})"
                ) from error
            raise

    def _boot(self, container: DockerContainer, program: Sequence[str]) -> None:
        if program is not BY_SHELL:
            container.archive.write(PROGRAM, pause_program(self._native) or b"", mode=0o755)
            container.commands.has_shell = container.archive.exists(SHELL)
        with self._refusals(container.image), docker_errors(_cannot_start(container)):
            self._client.api.start(container.id)
        if container.commands.has_shell:
            container.commands.start_shell()
        if self._network_disabled:
            container.write_hosts()


def _diagnosis(container: DockerContainer, program: Sequence[str], error: AlpineError) -> AlpineError:
    """Return the cause of *error* at the start of *container*."""
    if isinstance(error, (EngineUnavailable, _NoInitError, _NoNetworkError)):
        return error
    words = _last_words(container, error)
    if program is BY_SHELL and not is_format_error(words) and not container.archive.exists(SHELL):
        return _NoShellError(words)
    return start_problem(container, words)


def _last_words(container: DockerContainer, error: AlpineError) -> str:
    """Return all messages about the end of *container*; waits, because the engine may report the end later."""
    deadline = time.monotonic() + _DYING
    while (why := container.why_stopped()) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    # The caller adds this prefix again.
    return all_said(container, error, why or "").removeprefix(f"{_cannot_start(container)}: ")


def _cannot_start(container: DockerContainer) -> str:
    return f"cannot start container {container.name}"
