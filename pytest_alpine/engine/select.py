"""Which engine runs the containers: the one that is named, or the first that answers.

Every engine is one line in ``ENGINE_TYPES``, in the order in which ``auto`` tries them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from pytest_alpine.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker import DockerClient

    from pytest_alpine.engine.base import Engine

Answer = TypeVar("Answer")

AUTO: Final = "auto"
"""The name for the first engine that answers."""

NONE: Final = "none"
"""The name for running without containers."""

_WITHOUT: Final = "or do without containers: --alpine-engine none"


class EngineType(NamedTuple):
    """One engine. Both functions raise EngineUnavailable, with the reason and the command that fixes it."""

    open: Callable[[str | None], Engine]
    """Connects to the engine; takes the network of its containers, see ``DockerEngine``."""
    probe: Callable[[], str]
    """Returns the engine's name and version; it loads no library and takes a few milliseconds."""


def _open_docker(network: str | None) -> Engine:
    from pytest_alpine.engine.docker.engine import DockerEngine

    return DockerEngine(network=network)


def _probe_docker() -> str:
    from pytest_alpine.dockerapi.ping import look_docker

    return look_docker()


def _open_podman(network: str | None) -> Engine:
    from pytest_alpine.dockerapi.podman import connect_podman
    from pytest_alpine.engine.docker.engine import DockerEngine

    return DockerEngine(connect_podman, network=network)


def _probe_podman() -> str:
    from pytest_alpine.dockerapi.podman import look_podman

    return look_podman()


def _open_bubblewrap(network: str | None) -> Engine:
    from pytest_alpine.engine.bubblewrap.engine import BubblewrapEngine

    return BubblewrapEngine(network=network)


def _probe_bubblewrap() -> str:
    from pytest_alpine.engine.bubblewrap.program import bubblewrap_version

    return bubblewrap_version()


ENGINE_TYPES: Final[dict[str, EngineType]] = {
    "docker": EngineType(_open_docker, _probe_docker),
    "podman": EngineType(_open_podman, _probe_podman),
    "bubblewrap": EngineType(_open_bubblewrap, _probe_bubblewrap),
}

ENGINES: Final = (AUTO, *ENGINE_TYPES, NONE)
"""The values of ``--alpine-engine``."""


def select_engine(name: str, network: str | None = None) -> Engine:
    """Return the engine that *name*, one of ``ENGINES``, chooses; its containers are connected to *network*.

    Raises:
        EngineUnavailable: it does not answer, or *name* is ``none``; the message gives the reason for each engine
            that was tried, and what to do.
    """
    return _first(name, lambda engine: engine.open(network))[0]


def describe_choice(name: str) -> str:
    """Return which engine *name* would choose now, and why, for people; never raises.

    Such as ``docker 20.10.24 (auto)`` or ``none (auto: docker does not answer)``.
    """
    if name == NONE:
        return name
    try:
        found, silent = _first(name, lambda engine: engine.probe())
    except EngineUnavailable:
        found, silent = NONE, tuple(ENGINE_TYPES) if name == AUTO else (name,)
    reasons = ", ".join(f"{engine} does not answer" for engine in silent)
    if name == AUTO:
        return f"{found} ({AUTO}: {reasons})" if reasons else f"{found} ({AUTO})"
    return f"{found} ({reasons})" if reasons else found


def connect_to_store(name: str) -> DockerClient:
    """Connect to the engine in whose store plain names are looked up: podman if *name* says so, else Docker.

    Raises:
        EngineUnavailable: it does not answer.
    """
    if name == "podman":
        from pytest_alpine.dockerapi.podman import connect_podman

        return connect_podman()
    from pytest_alpine.dockerapi.client import connect

    return connect()


def _first(name: str, ask: Callable[[EngineType], Answer]) -> tuple[Answer, tuple[str, ...]]:
    """Return the answer of the first engine of *name* that answers, and the names of those that did not."""
    if name == NONE:
        raise EngineUnavailable(
            "--alpine-engine=none: containers cannot run; use alpine_image, which needs no engine, or choose another"
        )
    said: dict[str, EngineUnavailable] = {}
    for tried in ENGINE_TYPES if name == AUTO else (name,):
        try:
            return ask(ENGINE_TYPES[tried]), tuple(said)
        except EngineUnavailable as error:
            said[tried] = error
    raise EngineUnavailable(_nobody(said)) from next(iter(said.values()))


def _nobody(said: dict[str, EngineUnavailable]) -> str:
    if len(said) == 1:
        return f"{next(iter(said.values()))}; {_WITHOUT}"
    lines = (f"  {name}: {why}" for name, why in said.items())
    return "\n".join(["no engine answers:", *lines, _WITHOUT])
