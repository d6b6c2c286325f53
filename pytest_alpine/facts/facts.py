"""What a root filesystem that does not change tells of itself; each fact is read when first asked for, and kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_alpine.apk.database import read_installed, read_world
from pytest_alpine.facts.binaries import Binaries, read_binaries
from pytest_alpine.facts.libc import Libc, read_libc
from pytest_alpine.facts.release import Release, read_release
from pytest_alpine.facts.shell import SH, Shell, read_shell, read_shells

if TYPE_CHECKING:
    from pytest_alpine.apk.constraint import Constraint
    from pytest_alpine.apk.package import Packages
    from pytest_alpine.rootfs.base import RootFS


class Facts(ABC):
    """The facts of one root filesystem."""

    @property
    @abstractmethod
    def rootfs(self) -> RootFS:
        """The root filesystem."""

    @cached_property
    def packages(self) -> Packages:
        """The installed packages by name."""
        return read_installed(self.rootfs)

    @cached_property
    def world(self) -> tuple[Constraint, ...]:
        """The constraints in ``/etc/apk/world``: what was asked for, not what it needs."""
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
    def shells(self) -> tuple[Shell, ...]:
        """Every login shell that exists."""
        return read_shells(self.rootfs)

    @cached_property
    def shell(self) -> Shell | None:
        """What stands behind ``/bin/sh``, or None."""
        # Looking into a shell takes a quarter of the time of all facts: once is enough.
        return next((shell for shell in self.shells if shell.path == SH), None) or read_shell(self.rootfs)
