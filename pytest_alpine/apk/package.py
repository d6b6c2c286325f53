"""Installed packages: what the database records of each, and what they provide together.

Spec: apk-package(5), "PACKAGE INFO METADATA".
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pytest_alpine.apk.constraint import Constraint
from pytest_alpine.apk.digest import Digest, parse_digest
from pytest_alpine.apk.files import PackageDirectory, PackageFile, file_paths, parse_files
from pytest_alpine.apk.version import Version
from pytest_alpine.errors import PackageNotInstalled
from pytest_alpine.quoting import quoted


@dataclass(frozen=True, repr=False)
class Package:
    """An installed package: a view of its fields in the database, in which everything else is derived from them.

    A field that the database leaves out is empty: ``""``, ``()``, 0 for sizes, else None.
    """

    fields: Mapping[str, str]
    """The values as written, by their one-letter names: ``P`` is the name, ``V`` the version."""
    rows: str = ""
    """The files and directories as written."""

    @property
    def name(self) -> str:
        """The package's own name."""
        return self.fields["P"]

    @cached_property
    def version(self) -> Version:
        """The installed version.

        A text that is no version is kept as it is and ordered by what can be read of it, as apk does: one odd
        version must not cost the facts of a whole image.
        """
        return Version.lenient(self.fields["V"])

    @property
    def arch(self) -> str:
        """Alpine's name of the architecture, or ``noarch``."""
        return self.fields.get("A", "")

    @property
    def origin(self) -> str:
        """The source package it was built from, which security data speak of."""
        return self.fields.get("o", "")

    @property
    def license(self) -> str:
        """Usually an SPDX expression."""
        return self.fields.get("L", "")

    @property
    def description(self) -> str:
        """What the package is for, in a line."""
        return self.fields.get("T", "")

    @property
    def url(self) -> str:
        """Where the project lives."""
        return self.fields.get("U", "")

    @property
    def maintainer(self) -> str:
        """Name and e-mail address of the packager."""
        return self.fields.get("m", "")

    @property
    def commit(self) -> str:
        """The commit of the packaging repository that it was built from."""
        return self.fields.get("c", "")

    @property
    def installed_size(self) -> int:
        """Bytes on disk as estimated by the packager: blocks of 4 KiB up to Alpine 3.20, exact bytes since."""
        return int(self.fields.get("I", 0))

    @property
    def package_size(self) -> int:
        """Bytes of the ``.apk`` file."""
        return int(self.fields.get("S", 0))

    @property
    def build_time(self) -> int | None:
        """When it was built, in seconds since 1970 (UTC)."""
        return self._number("t")

    @property
    def provider_priority(self) -> int | None:
        """Which provider apk prefers for a name that is provided without a version; the greatest wins."""
        return self._number("k")

    @property
    def replaces_priority(self) -> int | None:
        """Whose file stays where two packages replace each other's; the greatest wins."""
        return self._number("q")

    @property
    def flags(self) -> str:
        """Letters: broken files ``f``, script ``s`` or extended attributes ``x``; ``S`` for digests of SHA-256."""
        return self.fields.get("f", "")

    @property
    def tag(self) -> str:
        """The tag of the repository that it is pinned to."""
        return self.fields.get("s", "")

    @property
    def tags(self) -> tuple[str, ...]:
        """The vendor's tags."""
        return tuple(self.fields.get("g", "").split())

    @cached_property
    def checksum(self) -> Digest | None:
        """The package's identity, which ``name><Q1...`` in the world file asks for."""
        return parse_digest(self.fields.get("C", ""), truncated_sha256="S" in self.flags)

    @cached_property
    def depends(self) -> tuple[Constraint, ...]:
        """What it needs, and with ``!`` what it conflicts with."""
        return self._constraints("D")

    @cached_property
    def provides(self) -> tuple[Constraint, ...]:
        """Other names it answers to, most with a version after ``=``."""
        return self._constraints("p")

    @cached_property
    def install_if(self) -> tuple[Constraint, ...]:
        """What makes apk install it unasked, once all of it is met."""
        return self._constraints("i")

    @cached_property
    def replaces(self) -> tuple[Constraint, ...]:
        """The packages whose files it may overwrite."""
        return self._constraints("r")

    @property
    def files(self) -> tuple[PackageFile, ...]:
        """The files, links and devices it installs, in the database's order."""
        return self._files[0]

    @property
    def directories(self) -> tuple[PackageDirectory, ...]:
        """The directories it installs, or shares with others."""
        return self._files[1]

    @cached_property
    def _files(self) -> tuple[tuple[PackageFile, ...], tuple[PackageDirectory, ...]]:
        return parse_files(self.rows, truncated_sha256="S" in self.flags)

    def _constraints(self, letter: str) -> tuple[Constraint, ...]:
        return tuple(map(Constraint.lenient, self.fields.get(letter, "").split()))

    def _number(self, letter: str) -> int | None:
        value = self.fields.get(letter)
        return None if value is None else int(value)

    def __hash__(self) -> int:
        return hash((self.name, self.fields["V"]))

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"

    def __repr__(self) -> str:
        return f"<Package {self}>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Provider:
    """A package and one of the names it answers to."""

    package: Package
    provide: Constraint | None = None
    """The provided name, as the package has it; None for the package's own name."""

    @property
    def version(self) -> Version | None:
        """The version under that name; None where the name is provided without one."""
        return self.package.version if self.provide is None else self.provide.version


class Packages(Mapping[str, Package]):
    """The installed packages by their own names, in the database's order."""

    def __init__(self, packages: Iterable[Package] = ()) -> None:
        self._packages = {package.name: package for package in packages}

    def __getitem__(self, name: str) -> Package:
        try:
            return self._packages[name]
        except KeyError:
            raise PackageNotInstalled(f"package not installed: {quoted(name)}{self._instead(name)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._packages

    def __iter__(self) -> Iterator[str]:
        return iter(self._packages)

    def __len__(self) -> int:
        return len(self._packages)

    def __repr__(self) -> str:
        return f"<Packages {' '.join(map(str, self._packages.values()))}>"

    def providers(self, name: str) -> tuple[Provider, ...]:
        """Return the packages that have *name* or provide it, in whatever version; the one that has it is first."""
        return tuple(self._by_name.get(name, ()))

    def satisfying(self, constraint: Constraint | str) -> Provider | None:
        """Return the package that *constraint* speaks of, and by which name, or None; a ``!`` is left aside.

        Args:
            constraint: in the form of apk's world file: ``musl``, ``curl>=8.5``, ``so:libz.so.1``.

        Raises:
            InvalidConstraint: the text spells no constraint.
        """
        wanted = Constraint.parse(constraint) if isinstance(constraint, str) else constraint
        for provider in self._by_name.get(wanted.name, ()):
            identity = provider.package.checksum if provider.provide is None else None
            if wanted.allows(provider.version, identity):
                return provider
        return None

    def satisfy(self, constraint: Constraint | str) -> bool:
        """Whether *constraint* is met: by an installed package, or with ``!`` by the absence of any.

        Raises:
            InvalidConstraint: the text spells no constraint.
        """
        wanted = Constraint.parse(constraint) if isinstance(constraint, str) else constraint
        return (self.satisfying(wanted) is not None) != wanted.conflict

    def owner(self, path: str) -> Package | None:
        """Return the package that installs the file at *path*, or None; directories have no owner.

        Args:
            path: as the database has it, links in its directories not followed; a missing first ``/`` is added.
        """
        return self._owners.get("/" + path.lstrip("/"))

    def nearest(self, name: str, count: int = 3) -> tuple[str, ...]:
        """Return at most *count* names, installed or provided, that look like *name*, the most alike first."""
        # What all names of a namespace share would make them look alike.
        namespace, colon, wanted = name.rpartition(":")
        split = (known.rpartition(":") for known in self._by_name)
        known = [rest for *common, rest in split if common == [namespace, colon]]
        return tuple(f"{namespace}{colon}{found}" for found in difflib.get_close_matches(wanted, known, count))

    def _instead(self, name: object) -> str:
        if not isinstance(name, str):
            return ""
        if providers := self.providers(name):
            return f" (provided by {', '.join(str(provider.package) for provider in providers)})"
        nearest = self.nearest(name)
        return f" (nearest: {', '.join(nearest)})" if nearest else ""

    @cached_property
    def _by_name(self) -> dict[str, list[Provider]]:
        by_name = {name: [Provider(package=package)] for name, package in self._packages.items()}
        for package in self._packages.values():
            for provide in package.provides:
                by_name.setdefault(provide.name, []).append(Provider(package=package, provide=provide))
        return by_name

    @cached_property
    def _owners(self) -> dict[str, Package]:
        owners: dict[str, Package] = {}
        for package in self._packages.values():
            owners.update(dict.fromkeys(file_paths(package.rows), package))
        return owners
