"""The facts of a root filesystem, as properties: the one list of them.

``KeptFacts`` reads each fact once, for files that do not change; ``facts.live`` reads them anew at every access.
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
    """What a root filesystem tells of itself. Every fact is read from its files alone, and nothing is executed."""

    @property
    def rootfs(self) -> RootFS:
        """The root filesystem."""
        ...

    def read_fact(self, read: Callable[[RootFS], Fact], *, many_files: bool = False) -> Fact:
        """Return what *read* finds in the root filesystem.

        Args:
            read: returns one fact of a root filesystem.
            many_files: whether it looks at more than two or three files.
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
        """The constraints in ``/etc/apk/world``: what was asked for, not what it needs.

        Raises:
            DatabaseError: there is no such file, or a word in it is no constraint.
        """
        return self.read_fact(read_world)

    @property
    def release(self) -> Release:
        """Which release of Alpine, or of what else, this is.

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
        """Every login shell that exists."""
        return self.read_fact(read_shells, many_files=True)

    @property
    def shell(self) -> Shell | None:
        """The shell that ``/bin/sh`` leads to, or None."""
        return self.read_fact(read_shell, many_files=True)


class KeptFacts(Facts, Protocol):
    """Facts of a root filesystem that does not change: each is read when it is first asked for, and kept."""

    @cached_property
    def _kept(self) -> dict[object, Any]:
        return {}

    def read_fact(self, read: Callable[[RootFS], Fact], *, many_files: bool = False) -> Fact:  # noqa: ARG002 - what is kept costs the same
        """Return what *read* finds in the root filesystem; the second time, what it found the first time."""
        if read not in self._kept:
            self._kept[read] = read(self.rootfs)
        fact: Fact = self._kept[read]
        return fact

    @property
    def shell(self) -> Shell | None:
        """The shell that ``/bin/sh`` leads to, or None."""
        # Looking into a shell takes a quarter of the time of all facts: once is enough.
        return next((shell for shell in self.shells if shell.path == SH), None) or self.read_fact(read_shell)

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Everything in the root filesystem by its path, in the order of the paths."""
        return {entry.path: entry for entry in self.rootfs.walk()}

    @cached_property
    def binaries(self) -> Binaries:
        """Every ELF file and every script."""
        return read_binaries(self.rootfs, self.entries.values())

    @cached_property
    def owners(self) -> Owners:
        """Which package each file belongs to.

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
