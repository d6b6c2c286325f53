"""What a check looks at: an image, or a running container at one moment, all of whose files are asked for at once.

A check of a whole image asks thousands of questions. To a container each would be a command of its own, and half a
second where it is emulated; one copy of its files answers all of them, and of the same moment.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_alpine.facts.facts import KeptFacts
from pytest_alpine.image.image import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.engine.container import Container
    from pytest_alpine.platforms import Platform
    from pytest_alpine.rootfs.base import RootFS


@dataclass(frozen=True)
class Moment(KeptFacts):
    """A running container as it was at one moment; all but its files is derived from them, once."""

    container: Container
    files: RootFS
    """Its files, without what is mounted into it."""

    @property
    def rootfs(self) -> RootFS:
        """The files."""
        return self.files

    @property
    def image(self) -> Image:
        """What the container runs."""
        return self.container.image

    @property
    def platform(self) -> Platform:
        """The platform of its image."""
        return self.container.platform

    def __str__(self) -> str:
        return str(self.container)


@contextmanager
def at_one_moment(target: Image | Container) -> Iterator[Image | Moment]:
    """Open *target* for many questions: an image as it is, a container as it is now.

    Raises:
        EngineError: the engine does not hand out the container's files.
    """
    if isinstance(target, Image):
        yield target
        return
    with target.snapshot() as rootfs:
        yield Moment(target, rootfs)


def image_of(target: Image | Container | Moment) -> Image:
    """Return the image itself, or the one that a container runs."""
    return target if isinstance(target, Image) else target.image
