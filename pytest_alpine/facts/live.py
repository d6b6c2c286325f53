"""What a root filesystem that may change tells of itself: read anew at every access, by the readers of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_alpine.apk.database import read_installed, read_world
from pytest_alpine.facts.libc import Libc, read_libc
from pytest_alpine.facts.release import Release, read_release
from pytest_alpine.facts.shell import Shell, read_shell, read_shells

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pytest_alpine.apk.constraint import Constraint
    from pytest_alpine.apk.package import Packages
    from pytest_alpine.rootfs.base import RootFS


class LiveFacts(Protocol):
    """Facts of a root filesystem."""

    @property
    def rootfs(self) -> RootFS:
        """The root filesystem as it is now."""
        ...

    def at_once(self) -> AbstractContextManager[RootFS]:
        """Open what is best asked many questions in a row: the root filesystem itself, or a copy of this moment."""
        ...

    @property
    def packages(self) -> Packages:
        """The packages installed now."""
        return read_installed(self.rootfs)

    @property
    def world(self) -> tuple[Constraint, ...]:
        """The constraints in ``/etc/apk/world`` now."""
        return read_world(self.rootfs)

    @property
    def release(self) -> Release:
        """Which Alpine this is."""
        return read_release(self.rootfs)

    @property
    def libc(self) -> Libc:
        """The C library."""
        with self.at_once() as rootfs:
            return read_libc(rootfs)

    @property
    def shells(self) -> tuple[Shell, ...]:
        """Every shell there is now."""
        with self.at_once() as rootfs:
            return read_shells(rootfs)

    @property
    def shell(self) -> Shell | None:
        """What stands behind ``/bin/sh``, or None."""
        with self.at_once() as rootfs:
            return read_shell(rootfs)
