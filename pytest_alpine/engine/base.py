"""The protocol that engines implement for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image
    from pytest_alpine.platforms import Platform

NO_NETWORK: Final = "none"
"""The word for a container that has a loopback interface and nothing else."""


class Engine(Protocol):
    """An engine runs containers. Several threads may use it at the same time."""

    @property
    def name(self) -> str:
        """The name of the engine in ``--alpine-engine``."""
        ...

    def describe(self) -> str:
        """Return one line about the engine: version, storage, and the platforms that it emulates."""
        ...

    def emulated(self, platform: Platform) -> bool:
        """Whether programs of *platform* are emulated here.

        Raises:
            PlatformNotRunnable: they can neither run nor be emulated; the message names the command that mends it.
        """
        ...

    def start(self, image: Image) -> Container:
        """Start a container of *image* that runs until it is stopped. The image's own entrypoint does not run.

        Raises:
            PlatformNotRunnable: programs of its platform do not run here.
            ContainerStartError: the engine could not start it.
            EngineError: the engine failed otherwise.
            ImageError: the image has to be loaded into the engine and cannot be read.
        """
        ...

    def sweep(self) -> list[str]:
        """Remove the containers of dead runs on this machine, and return their names."""
        ...

    def close(self) -> None:
        """Stop all containers that this object started, except those that are kept, and close the connection."""
        ...
