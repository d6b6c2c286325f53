"""The facts of a root filesystem, as properties. Images, containers and snapshots inherit this one list.

``KeptFacts`` reads each fact once, for files that do not change. ``facts.live`` reads a fact again at every access.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pytest_alpine.apk.database import read_installed, read_world
from pytest_alpine.facts.binaries import Binaries, read_binaries
from pytest_alpine.facts.libc import Libc, read_libc
from pytest_alpine.facts.owners import Owners
from pytest_alpine.facts.release import Release, read_release
from pytest_alpine.facts.shell import SH, Shell, read_shell, read_shells

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_alpine.apk.constraint import Constraint
    from pytest_alpine.apk.package import Packages
    from pytest_alpine.rootfs.base import Entry, RootFS

Fact = TypeVar("Fact")


class Facts(Protocol):
    """The facts of a root filesystem. Every fact is read from files; no program is executed."""

    @property
    def rootfs(self) -> RootFS:
        """The root filesystem."""
        ...

    def read_fact(self, read: Callable[[RootFS], Fact], *, many_files: bool = False) -> Fact:
        """Return what *read* finds in the root filesystem.

        Args:
            read: returns one fact of a root filesystem.
            many_files: whether *read* reads more than two or three files.
        """
        ...

    @property
    def packages(self) -> Packages:
        """The installed packages by name.

        Raises:
            DatabaseError: there is no package database, or it is malformed.
        """
        return self.read_fact(read_installed)

    @property
    def world(self) -> tuple[Constraint, ...]:
        """The constraints in ``/etc/apk/world``: the packages that people asked for, without their dependencies.

        Raises:
            DatabaseError: there is no such file, or a word in it is not a constraint.
        """
        return self.read_fact(read_world)

    @property
    def release(self) -> Release:
        """The release of Alpine, or of another distribution.

        Raises:
            FileNotInImage: there is no os-release file.
        """
        return self.read_fact(read_release)

    @property
    def libc(self) -> Libc:
        """The C library."""
        return self.read_fact(read_libc, many_files=True)

    @property
    def shells(self) -> tuple[Shell, ...]:
        """The shells in ``/etc/shells`` and in the usual folders that exist."""
        return self.read_fact(read_shells, many_files=True)

    @property
    def shell(self) -> Shell | None:
        """The shell that ``/bin/sh`` leads to, or None."""
        return self.read_fact(read_shell, many_files=True)


class KeptFacts(Facts, Protocol):
    """Facts of a root filesystem that does not change. Each fact is read at its first access, and kept."""

    @cached_property
    def _kept(self) -> dict[object, Any]:
        return {}

    def read_fact(self, read: Callable[[RootFS], Fact], *, many_files: bool = False) -> Fact:  # noqa: ARG002 - a kept fact costs the same
        """Return what *read* finds in the root filesystem. Calls *read* once, and keeps what it returned."""
        if read not in self._kept:
            self._kept[read] = read(self.rootfs)
        fact: Fact = self._kept[read]
        return fact

    @property
    def shell(self) -> Shell | None:
        """The shell that ``/bin/sh`` leads to, or None."""
        # To read a shell takes a quarter of the time of all facts, so that it is read once.
        return next((shell for shell in self.shells if shell.path == SH), None) or self.read_fact(read_shell)

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Every entry of the root filesystem by its path, sorted by path."""
        return {entry.path: entry for entry in self.rootfs.walk()}

    @cached_property
    def binaries(self) -> Binaries:
        """Every ELF file and every script."""
        return read_binaries(self.rootfs, self.entries.values())

    @cached_property
    def owners(self) -> Owners:
        """The package that owns each file.

        Raises:
            DatabaseError: there is no package database, or it is malformed.
        """
        return Owners(self.entries, self.packages)


class RootFSFacts(KeptFacts):
    """The facts of any root filesystem that does not change."""

    def __init__(self, rootfs: RootFS) -> None:
        self._rootfs = rootfs

    @property
    def rootfs(self) -> RootFS:
        """The root filesystem."""
        return self._rootfs
