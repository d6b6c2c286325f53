"""The choice of the engine: the one that is named, or the first that answers.

``auto`` tries the engines in the order of ``KINDS``.
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
"""The word for the first engine that answers."""

NONE: Final = "none"
"""The word for running no containers."""

_WITHOUT: Final = "or do without containers: --alpine-engine none"


class EngineKind(NamedTuple):
    """One engine. Both functions raise EngineUnavailable with the reason, and the command that helps."""

    open: Callable[[str | None], Engine]
    """Connects to the engine, for containers in a network; see ``DockerEngine``."""
    look: Callable[[], str]
    """Returns the name and version of the engine in a few milliseconds, without costly imports."""


def _open_docker(network: str | None) -> Engine:
    from pytest_alpine.engine.docker.engine import DockerEngine

    return DockerEngine(network=network)


def _look_docker() -> str:
    from pytest_alpine.dockerapi.ping import look_docker

    return look_docker()


def _open_podman(network: str | None) -> Engine:
    from pytest_alpine.dockerapi.podman import connect_podman
    from pytest_alpine.engine.docker.engine import DockerEngine

    return DockerEngine(connect_podman, network=network)


def _look_podman() -> str:
    from pytest_alpine.dockerapi.podman import look_podman

    return look_podman()


def _open_bubblewrap(network: str | None) -> Engine:
    from pytest_alpine.engine.bubblewrap.engine import BubblewrapEngine

    return BubblewrapEngine(network=network)


def _look_bubblewrap() -> str:
    from pytest_alpine.engine.bubblewrap.program import look_bubblewrap

    return look_bubblewrap()


KINDS: Final[dict[str, EngineKind]] = {
    "docker": EngineKind(_open_docker, _look_docker),
    "podman": EngineKind(_open_podman, _look_podman),
    "bubblewrap": EngineKind(_open_bubblewrap, _look_bubblewrap),
}

ENGINES: Final = (AUTO, *KINDS, NONE)
"""The values of ``--alpine-engine``."""


def select_engine(name: str, network: str | None = None) -> Engine:
    """Return the engine *name*, one of ``ENGINES``; its containers are connected to *network*.

    Raises:
        EngineUnavailable: it does not answer, or no engine is wanted; the message tells for each that was tried why
            not, and the way out.
    """
    return _first(name, lambda kind: kind.open(network))[0]


def describe_choice(name: str) -> str:
    """Return the engine that *name* chooses now, and why, such as ``docker 20.10.24 (auto)``; never raises.

    If no engine answers, the text is such as ``none (auto: docker does not answer)``.
    """
    if name == NONE:
        return name
    try:
        found, silent = _first(name, lambda kind: kind.look())
    except EngineUnavailable:
        found, silent = NONE, tuple(KINDS) if name == AUTO else (name,)
    reasons = ", ".join(f"{kind} does not answer" for kind in silent)
    if name == AUTO:
        return f"{found} ({AUTO}: {reasons})" if reasons else f"{found} ({AUTO})"
    return f"{found} ({reasons})" if reasons else found


def connect_to_store(name: str) -> DockerClient:
    """Connect to the engine that is searched for images with plain names: Podman if *name* is podman, else Docker.

    Raises:
        EngineUnavailable: it does not answer.
    """
    if name == "podman":
        from pytest_alpine.dockerapi.podman import connect_podman

        return connect_podman()
    from pytest_alpine.dockerapi.client import connect

    return connect()


def _first(name: str, ask: Callable[[EngineKind], Answer]) -> tuple[Answer, tuple[str, ...]]:
    """Return the answer of the first engine of *name* that answers, and the names of those that did not."""
    if name == NONE:
        raise EngineUnavailable(
            "--alpine-engine=none: containers cannot run; use alpine_image, which needs no engine, or choose another"
        )
    said: dict[str, EngineUnavailable] = {}
    for tried in KINDS if name == AUTO else (name,):
        try:
            return ask(KINDS[tried]), tuple(said)
        except EngineUnavailable as error:
            said[tried] = error
    raise EngineUnavailable(_nobody(said)) from next(iter(said.values()))


def _nobody(said: dict[str, EngineUnavailable]) -> str:
    if len(said) == 1:
        return f"{next(iter(said.values()))}; {_WITHOUT}"
    lines = (f"  {name}: {why}" for name, why in said.items())
    return "\n".join(["no engine answers:", *lines, _WITHOUT])
