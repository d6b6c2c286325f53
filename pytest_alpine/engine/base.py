"""The contract of an engine: what tests need of whatever runs their containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image
    from pytest_alpine.platforms import Platform

NO_NETWORK: Final = "none"
"""The name of the network of a container that has only a loopback interface."""


class Engine(Protocol):
    """Runs containers. Any number of threads may use it at once."""

    @property
    def name(self) -> str:
        """Its name in ``--alpine-engine``."""
        ...

    def describe(self) -> str:
        """Return one line about it: version, storage, and which platforms it emulates."""
        ...

    def emulated(self, platform: Platform) -> bool:
        """Whether programs of *platform* are emulated here.

        Raises:
            PlatformNotRunnable: they can neither run nor be emulated; the message names the command that fixes it.
        """
        ...

    def start(self, image: Image) -> Container:
        """Start a container of *image* that runs until it is stopped; the image's own entrypoint is not run.

        Raises:
            PlatformNotRunnable: programs of the image's platform do not run here.
            ContainerStartError: the engine could not start it.
            EngineError: the engine failed otherwise.
            ImageError: the image must be loaded into the engine, and cannot be read.
        """
        ...

    def sweep(self) -> list[str]:
        """Remove the containers that dead runs of this machine left, and return their names."""
        ...

    def close(self) -> None:
        """Stop all containers that this object started, except those that are kept, and disconnect from the engine."""
        ...
