"""Which engine runs the containers: the one that was asked for, or the first that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.errors import EngineUnavailable

if TYPE_CHECKING:
    from pytest_alpine.engine.base import Engine


def select_engine(name: str) -> Engine:
    """Return the engine that *name* chooses: ``auto``, ``docker`` or ``none``.

    Raises:
        EngineUnavailable: it does not answer, or no engine is wanted; the message tells the way out.
    """
    if name == "none":
        raise EngineUnavailable(
            "--alpine-engine=none: containers cannot run; use alpine_image, which needs no engine, or choose another"
        )
    from pytest_alpine.engine.docker import DockerEngine

    return DockerEngine()
