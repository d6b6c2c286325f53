"""What a check looks at: an image, or a running container at one moment, all of whose files are asked for at once.

A check of a whole image asks thousands of questions. To a container each would be a command of its own, and half a
second where it is emulated; one copy of its files answers all of them, and of the same moment.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_alpine.apk.database import read_installed, read_world
from pytest_alpine.binaries import Binaries, read_binaries
from pytest_alpine.image.image import Image
from pytest_alpine.libc import Libc, read_libc
from pytest_alpine.release import Release, read_release
from pytest_alpine.shell import Shell, read_shell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.apk.constraint import Constraint
    from pytest_alpine.apk.package import Packages
    from pytest_alpine.engine.base import Container
    from pytest_alpine.platforms import Platform
    from pytest_alpine.rootfs import RootFS


@dataclass(frozen=True)
class Moment:
    """A running container as it was at one moment; all but its files is derived from them, once."""

    container: Container
    rootfs: RootFS
    """Its files, without what is mounted into it."""

    @property
    def image(self) -> Image:
        """What the container runs."""
        return self.container.image

    @property
    def platform(self) -> Platform:
        """The platform of its image."""
        return self.container.platform

    @cached_property
    def packages(self) -> Packages:
        """The installed packages."""
        return read_installed(self.rootfs)

    @cached_property
    def world(self) -> tuple[Constraint, ...]:
        """The constraints in ``/etc/apk/world``."""
        return read_world(self.rootfs)

    @cached_property
    def release(self) -> Release:
        """Which Alpine this is."""
        return read_release(self.rootfs)

    @cached_property
    def binaries(self) -> Binaries:
        """Every ELF file and every script."""
        return read_binaries(self.rootfs)

    @cached_property
    def libc(self) -> Libc:
        """The C library."""
        return read_libc(self.rootfs)

    @cached_property
    def shell(self) -> Shell | None:
        """What stands behind ``/bin/sh``, or None."""
        return read_shell(self.rootfs)

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
