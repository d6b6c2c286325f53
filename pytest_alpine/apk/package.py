"""Installed packages: the fields of each in the database, and the names that they provide.

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
    """An installed package: a view of its fields in the database.

    A property whose field is missing in the database is empty: ``""``, ``()``, 0 for sizes, else None.
    """

    fields: Mapping[str, str]
    """The values of the fields by their letters: ``P`` is the name, ``V`` the version."""
    rows: str = ""
    """The rows of its files and directories, as text."""

    @property
    def name(self) -> str:
        """The name of the package."""
        return self.fields["P"]

    @cached_property
    def version(self) -> Version:
        """The installed version.

        A malformed version is accepted, because one package must not hide the facts of a whole image. As in apk, its
        order depends on the part that can be read.
        """
        return Version.lenient(self.fields["V"])

    @property
    def arch(self) -> str:
        """Alpine's name of the architecture, or ``noarch``."""
        return self.fields.get("A", "")

    @property
    def origin(self) -> str:
        """The source package that it was built from. Security data use this name."""
        return self.fields.get("o", "")

    @property
    def license(self) -> str:
        """The license, usually as an SPDX expression."""
        return self.fields.get("L", "")

    @property
    def description(self) -> str:
        """One line that says what the package is for."""
        return self.fields.get("T", "")

    @property
    def url(self) -> str:
        """The URL of the project."""
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
        """Bytes on disk, as the packager records them: in blocks of 4 KiB up to Alpine 3.20, exact since then."""
        return int(self.fields.get("I", 0))

    @property
    def package_size(self) -> int:
        """Bytes of the ``.apk`` file."""
        return int(self.fields.get("S", 0))

    @property
    def build_time(self) -> int | None:
        """The time of the build, in seconds since 1970 (UTC)."""
        return self._number("t")

    @property
    def provider_priority(self) -> int | None:
        """The priority among the providers of a name without a version; apk prefers the greatest."""
        return self._number("k")

    @property
    def replaces_priority(self) -> int | None:
        """The priority among packages that replace each other's files; apk keeps the file of the greatest."""
        return self._number("q")

    @property
    def flags(self) -> str:
        """Letters: ``f`` broken files, ``s`` broken script, ``x`` broken attributes, ``S`` digests of SHA-256."""
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
        """The identity of the package, as in ``name><Q1...`` in the world file."""
        return parse_digest(self.fields.get("C", ""), truncated_sha256="S" in self.flags)

    @cached_property
    def depends(self) -> tuple[Constraint, ...]:
        """Its dependencies, and with ``!`` its conflicts."""
        return self._constraints("D")

    @cached_property
    def provides(self) -> tuple[Constraint, ...]:
        """The names that it provides, most with a version after ``=``."""
        return self._constraints("p")

    @cached_property
    def install_if(self) -> tuple[Constraint, ...]:
        """The constraints that make apk install it automatically when all of them are met."""
        return self._constraints("i")

    @cached_property
    def replaces(self) -> tuple[Constraint, ...]:
        """The packages whose files it may overwrite."""
        return self._constraints("r")

    @property
    def files(self) -> tuple[PackageFile, ...]:
        """The files, links and devices that it installs, in the order of the database."""
        return self._files[0]

    @property
    def directories(self) -> tuple[PackageDirectory, ...]:
        """The directories that it installs; other packages may install them too."""
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
    """A package, and its own name or one that it provides."""

    package: Package
    provide: Constraint | None = None
    """The provided name, as the package records it; None for the package's own name."""

    @property
    def version(self) -> Version | None:
        """The version of that name; None if the name is provided without a version."""
        return self.package.version if self.provide is None else self.provide.version


class Packages(Mapping[str, Package]):
    """The installed packages by their own names, in the order of the database.

    Raises:
        PackageNotInstalled: on access to a name that no package has.
    """

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
        """Return the package that has *name*, then those that provide it, in any version."""
        return tuple(self._by_name.get(name, ()))

    def satisfying(self, constraint: Constraint | str) -> Provider | None:
        """Return the package that *constraint* matches, and by which name, or None; ignores ``!``.

        Args:
            constraint: in the form of apk's world file: ``musl``, ``curl>=8.5``, ``so:libz.so.1``.

        Raises:
            InvalidConstraint: the text is not a constraint.
        """
        wanted = Constraint.parse(constraint) if isinstance(constraint, str) else constraint
        for provider in self._by_name.get(wanted.name, ()):
            identity = provider.package.checksum if provider.provide is None else None
            if wanted.allows(provider.version, identity):
                return provider
        return None

    def satisfy(self, constraint: Constraint | str) -> bool:
        """Whether an installed package meets *constraint*, or with ``!`` whether none matches it.

        Raises:
            InvalidConstraint: the text is not a constraint.
        """
        wanted = Constraint.parse(constraint) if isinstance(constraint, str) else constraint
        return (self.satisfying(wanted) is not None) != wanted.conflict

    def owner(self, path: str) -> Package | None:
        """Return the package that installs the file at *path*, or None; directories have no owner.

        Args:
            path: as the database records it; links are not followed, and a missing first ``/`` is added.
        """
        return self._owners.get("/" + path.lstrip("/"))

    def nearest(self, name: str, count: int = 3) -> tuple[str, ...]:
        """Return at most *count* names, installed or provided, that are similar to *name*, most similar first."""
        # Only the parts behind the namespace are compared: the namespace would make all its names similar.
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
