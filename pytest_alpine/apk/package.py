"""Installed packages, their files, and what satisfies a constraint."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from pytest_alpine.apk.constraint import Constraint
from pytest_alpine.apk.version import Version
from pytest_alpine.errors import DatabaseError

_FILE_MODE: Final = 0o644
_DIRECTORY_MODE: Final = 0o755


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageFile:
    """A file or directory that a package owns, as the database has it."""

    path: str
    """Absolute."""
    kind: Literal["file", "directory"]
    mode: int
    uid: int = 0
    gid: int = 0
    digest: str = ""
    """As written: ``Q1`` and base64; of a symbolic link it is the digest of its text. Empty where none is kept."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """An installed package; the field letters are those of the database."""

    name: str
    version: Version
    arch: str = ""
    origin: str = ""
    """The source package."""
    license: str = ""
    installed_size: int = 0
    """Bytes, as the package says; see ``sizes_by_package`` for what its files really take."""
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    install_if: tuple[str, ...] = ()
    description: str = ""
    url: str = ""
    maintainer: str = ""
    build_time: int | None = None
    """Seconds since 1970."""
    commit: str = ""
    provider_priority: int = 0
    replaces_priority: int = 0
    package_size: int = 0
    """Bytes of the .apk file."""
    identity: str = ""
    """The identity hash, ``Q1`` and base64."""
    tag: str = ""
    """The repository tag it is pinned to."""
    flags: str = ""
    """``f`` broken files, ``s`` broken script, ``x`` broken xattrs, ``S`` digests are cut SHA-256."""
    rows: tuple[str, ...] = ()
    """The database's lines on files, read by ``files``."""
    where: str = ""
    """Where the stanza stands, for messages."""

    @cached_property
    def files(self) -> tuple[PackageFile, ...]:
        """The directories and files that the package owns.

        Raises:
            DatabaseError: a line on files is malformed.
        """
        return tuple(_files(self.rows, self.where))

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Provider:
    """A package that has a name, or provides it."""

    package: Package
    provide: str = ""
    """The provide that was met; empty where it is the package's own name."""
    version: Version | None
    """The version it has under that name; None for a provide without version."""


class Packages(Mapping[str, Package]):
    """The installed packages by real name."""

    def __init__(self, packages: Mapping[str, Package]) -> None:
        self._packages = packages

    def __getitem__(self, name: str) -> Package:
        return self._packages[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._packages)

    def __len__(self) -> int:
        return len(self._packages)

    def __repr__(self) -> str:
        return f"Packages({', '.join(map(str, self.values()))})"

    def providers(self, name: str) -> Sequence[Provider]:
        """Return the packages that are called *name* or provide it, the package of that name first."""
        return self._providers.get(name, ())

    def satisfying(self, constraint: Constraint) -> Provider | None:
        """Return the package that is in the range of *constraint*, or None; a conflict's ``!`` is not looked at."""
        for provider in self.providers(constraint.name):
            if constraint.allows(provider.version, provider.package.identity):
                return provider
        return None

    def owner(self, path: str) -> Package | None:
        """Return the package that owns the file at the absolute *path* (without links in its directories), or None."""
        return self._owners.get(path)

    def nearest(self, name: str) -> Sequence[str]:
        """Return the installed names most like *name*, the most like first."""
        return difflib.get_close_matches(name, self._providers, n=3)

    @cached_property
    def _providers(self) -> Mapping[str, Sequence[Provider]]:
        found = {name: [Provider(package=package, version=package.version)] for name, package in self._packages.items()}
        for package in self._packages.values():
            for provide in package.provides:
                name, _, version = provide.partition("=")
                provider = Provider(package=package, provide=provide, version=Version.lenient(version) if version else None)
                found.setdefault(name, []).append(provider)
        return found

    @cached_property
    def _owners(self) -> Mapping[str, Package]:
        return {file.path: package for package in self.values() for file in package.files if file.kind == "file"}


def _files(rows: Sequence[str], where: str) -> Iterator[PackageFile]:
    directory, number = "", 0
    while number < len(rows):
        field, value = rows[number][0], rows[number][2:]
        number += 1
        if field == "F":
            directory = f"/{value}" if value else ""
            mode, number = _acl(rows, number, "M", (0, 0, _DIRECTORY_MODE), where)
            yield PackageFile(path=directory or "/", kind="directory", uid=mode[0], gid=mode[1], mode=mode[2])
        elif field == "R":
            mode, number = _acl(rows, number, "a", (0, 0, _FILE_MODE), where)
            digest = ""
            if number < len(rows) and rows[number][0] == "Z":
                digest, number = rows[number][2:], number + 1
            path = f"{directory}/{value}"
            yield PackageFile(path=path, kind="file", uid=mode[0], gid=mode[1], mode=mode[2], digest=digest)
        else:
            raise DatabaseError(f"{where}: unexpected {rows[number - 1]!r} (expected F: or R: before it)")


def _acl(
    rows: Sequence[str], number: int, field: str, default: tuple[int, int, int], where: str
) -> tuple[tuple[int, int, int], int]:
    if number >= len(rows) or rows[number][0] != field:
        return default, number
    try:
        uid, gid, mode = rows[number][2:].split(":")[:3]
        return (int(uid), int(gid), int(mode, 8)), number + 1
    except ValueError as error:
        raise DatabaseError(f"{where}: malformed owner: {rows[number]!r} (expected '{field}:uid:gid:mode')") from error
