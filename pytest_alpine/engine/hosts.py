"""Engines on several machines: cells of a platform run on the engine given for it, all others on the local engine.

``host_addresses.py`` reads the addresses.
"""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from pytest_alpine.engine.select import NONE, select_engine
from pytest_alpine.errors import AlpineError, EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_alpine.engine.base import Engine
    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image
    from pytest_alpine.platforms import Platform


def open_engine(name: str, hosts: Mapping[Platform, str], network: str | None = None) -> Engine:
    """Return an engine that runs the platforms in *hosts* there, and all others on engine *name*, in *network*.

    Raises:
        EngineUnavailable: no engine is wanted; or, without *hosts*, it does not answer.
    """
    if name == NONE or not hosts:
        engine = select_engine(name, network)
        engine.sweep()
        return engine
    return EngineHosts(partial(select_engine, name, network), hosts, network)


class EngineHosts:
    """Engines on several machines, as one engine. Opens each engine at its first use, and then sweeps it."""

    def __init__(self, local: Callable[[], Engine], hosts: Mapping[Platform, str], network: str | None = None) -> None:
        """Open no engine yet.

        Args:
            local: opens the engine of all platforms that are not in *hosts*.
            hosts: URLs or docker contexts of the engines of others.
            network: what the containers of those are connected to; see ``DockerEngine``.
        """
        self._local = _Member(local)
        members = {host: _Member(partial(_open_host, host, network)) for host in hosts.values()}
        self._hosts = {platform: members[host] for platform, host in hosts.items()}
        self._members = (self._local, *members.values())

    def of(self, platform: Platform) -> Engine:
        """Return the engine that runs *platform*.

        Raises:
            EngineUnavailable: it does not answer, or did not when it was first needed.
        """
        return self._hosts.get(platform, self._local).get()

    @property
    def name(self) -> str:
        """The name of the local engine in ``--alpine-engine``."""
        return self._local.get().name

    def describe(self) -> str:
        """Return one line about the local engine, and one for the engine of each other platform."""
        lines = [self._local.get().describe()]
        for platform, member in self._hosts.items():
            try:
                lines.append(f"{platform}: {member.get().describe()}")
            except EngineUnavailable as error:
                lines.append(f"{platform}: {error}")
        return "\n".join(lines)

    def emulated(self, platform: Platform) -> bool:
        """Whether the engine of *platform* emulates it; see ``Engine.emulated``."""
        return self.of(platform).emulated(platform)

    def start(self, image: Image) -> Container:
        """Start a container of *image* on the engine of its platform; see ``Engine.start``."""
        return self.of(image.platform).start(image)

    def sweep(self) -> list[str]:
        """Remove the containers of dead runs of this machine from the engines in use, and return their names."""
        return [name for member in self._members for engine in member.opened() for name in engine.sweep()]

    def close(self) -> None:
        """Stop all containers that this object started, except those that are kept, and close all engines.

        Raises:
            EngineError: one of them failed; the others are closed all the same.
        """
        problems = []
        for member in self._members:
            for engine in member.opened():
                try:
                    engine.close()
                except AlpineError as error:
                    problems.append(error)
        if problems:
            raise problems[0]


class _Member:
    """One engine, opened at most once. If it does not answer, later calls fail at once."""

    def __init__(self, opens: Callable[[], Engine]) -> None:
        self._opens = opens
        self._lock = Lock()
        self._engine: Engine | None = None
        self._problem = ""

    def get(self) -> Engine:
        with self._lock:
            if self._problem:
                raise EngineUnavailable(self._problem)
            if self._engine is None:
                try:
                    engine = self._opens()
                except EngineUnavailable as error:
                    self._problem = str(error)
                    raise
                self._engine = engine
                engine.sweep()
            return self._engine

    def opened(self) -> Sequence[Engine]:
        return () if self._engine is None else (self._engine,)


def engine_of(engine: Engine, platform: Platform) -> Engine:
    """Return the engine that runs *platform*: *engine*, or a member of it.

    Raises:
        EngineUnavailable: it does not answer.
    """
    return engine.of(platform) if isinstance(engine, EngineHosts) else engine


def _open_host(host: str, network: str | None) -> Engine:
    from pytest_alpine.dockerapi.client import connect, endpoint_named
    from pytest_alpine.engine.docker.engine import DockerEngine

    option = "-H" if "://" in host else "--context"
    return DockerEngine(partial(connect, endpoint_named(host)), f"docker {option} {host}", network=network)


if TYPE_CHECKING:
    _: type[Engine] = EngineHosts
