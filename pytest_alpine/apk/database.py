"""The apk database of a root filesystem: what is installed, what was asked for, and from where.

Spec: apk(8), "FILES", and the text format of ``lib/apk/db/installed``: one ``X:value`` a line, an empty line behind
each package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.apk.constraint import Constraint
from pytest_alpine.apk.package import Package, Packages
from pytest_alpine.apk.version import Version
from pytest_alpine.errors import DatabaseError, FileNotInImage, InvalidConstraint

if TYPE_CHECKING:
    from pytest_alpine.rootfs import RootFS

DATABASES: Final = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
"""Where the database is; the second where ``/lib`` was merged into ``/usr/lib``."""
WORLD: Final = "/etc/apk/world"
ARCH: Final = "/etc/apk/arch"
REPOSITORIES: Final = "/etc/apk/repositories"

_TEXT: Final = {
    "A": "arch",
    "o": "origin",
    "L": "license",
    "T": "description",
    "U": "url",
    "m": "maintainer",
    "c": "commit",
    "C": "identity",
    "s": "tag",
    "f": "flags",
}
_NUMBERS: Final = {
    "I": "installed_size",
    "S": "package_size",
    "t": "build_time",
    "k": "provider_priority",
    "q": "replaces_priority",
}
_LISTS: Final = {"D": "depends", "p": "provides", "r": "replaces", "i": "install_if"}
_FILE_FIELDS: Final = frozenset("FMRaZ")
# Known, or left for newer versions of apk to use: tags of a package, which say nothing of what is installed.
_IGNORED: Final = frozenset("g")


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """One line of ``/etc/apk/repositories``."""

    url: str
    tag: str = ""


def read_installed(rootfs: RootFS) -> Packages:
    """Return the installed packages of *rootfs*.

    Raises:
        DatabaseError: there is no database, or it is malformed.
    """
    for path in DATABASES:
        try:
            data = rootfs.read(path)
        except FileNotInImage:
            continue
        return parse_installed(data, path)
    raise DatabaseError(f"no package database: neither {DATABASES[0]} nor {DATABASES[1]} is a file of the image")


def parse_installed(data: bytes, where: str) -> Packages:
    """Return the packages that the database *data* lists.

    Raises:
        DatabaseError: a line is no ``X:value``, a package lacks its name or version, or stands there twice; the
            message begins with *where* and the number of the line.
    """
    packages: dict[str, Package] = {}
    for number, lines in _stanzas(data.decode("utf-8", "surrogateescape"), where):
        package = _package(lines, number, where)
        if package.name in packages:
            raise DatabaseError(f"{where}:{number}: package {package.name!r} stands there twice")
        packages[package.name] = package
    return Packages(packages)


def read_world(rootfs: RootFS) -> tuple[Constraint, ...]:
    """Return the constraints in ``/etc/apk/world``.

    Raises:
        DatabaseError: the file is missing, or a line is no constraint.
    """
    found = []
    for number, line in _lines(rootfs, WORLD):
        try:
            found += [Constraint.parse(word) for word in line.split()]
        except InvalidConstraint as error:
            raise DatabaseError(f"{WORLD}:{number}: {error}") from error
    return tuple(found)


def read_arch(rootfs: RootFS) -> str:
    """Return the first architecture in ``/etc/apk/arch``, Alpine's name.

    Raises:
        DatabaseError: the file is missing or empty.
    """
    for _, line in _lines(rootfs, ARCH):
        return line
    raise DatabaseError(f"{ARCH} is empty (expected an architecture such as x86_64)")


def read_repositories(rootfs: RootFS) -> tuple[Repository, ...]:
    """Return the repositories in ``/etc/apk/repositories``.

    Raises:
        DatabaseError: the file is missing.
    """
    found = []
    for _, line in _lines(rootfs, REPOSITORIES):
        first, _, rest = line.partition(" ")
        found.append(Repository(url=rest.strip(), tag=first[1:]) if first.startswith("@") else Repository(url=line))
    return tuple(found)


def _lines(rootfs: RootFS, path: str) -> Iterator[tuple[int, str]]:
    try:
        text = rootfs.read(path).decode("utf-8", "replace")
    except FileNotInImage as error:
        raise DatabaseError(str(error)) from error
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def _stanzas(text: str, where: str) -> Iterator[tuple[int, Sequence[str]]]:
    start, lines = 1, []
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            if lines:
                yield start, lines
            start, lines = number + 1, []
        elif line[1:2] != ":":
            raise DatabaseError(f"{where}:{number}: malformed field: {line[:80]!r} (expected 'K:value')")
        else:
            lines.append(line)
    if lines:  # the last line of a database is an empty one
        raise DatabaseError(f"{where}:{start + len(lines) - 1}: the database ends in the middle of a package")


def _package(lines: Sequence[str], number: int, where: str) -> Package:
    header = next((index for index, line in enumerate(lines) if line[0] in _FILE_FIELDS), len(lines))
    fields: dict[str, Any] = {}
    for index, line in enumerate(lines[:header]):
        _read_field(fields, line, f"{where}:{number + index}")
    rest = lines[header:]
    # Fields of the package may stand behind its files too: old databases keep their flags there.
    for index, line in enumerate(rest):
        if line[0] not in _FILE_FIELDS:
            _read_field(fields, line, f"{where}:{number + header + index}")
    missing = [name for name in ("name", "version") if not fields.get(name)]
    if missing:
        raise DatabaseError(f"{where}:{number}: a package without {missing[0]}")
    fields["version"] = Version.lenient(fields["version"])
    rows = tuple([line for line in rest if line[0] in _FILE_FIELDS])
    if rows and rows[0][0] not in "F":
        raise DatabaseError(f"{where}:{number + header}: {rows[0]!r} before any directory (expected 'F:path' first)")
    return Package(**fields, rows=rows, where=f"{where}, {fields['name']}")


def _read_field(fields: dict[str, Any], line: str, where: str) -> None:
    field, value = line[0], line[2:]
    if field == "P":
        fields["name"] = value
    elif field == "V":
        fields["version"] = value
    elif field in _TEXT:
        fields[_TEXT[field]] = value
    elif field in _NUMBERS:
        if not value.isascii() or not value.isdigit():
            raise DatabaseError(f"{where}: malformed number: {line[:80]!r} (expected '{field}:digits')")
        fields[_NUMBERS[field]] = int(value[:20])
    elif field in _LISTS:
        fields[_LISTS[field]] = tuple(value.split())
    elif field.islower() and field not in _IGNORED:
        raise DatabaseError(f"{where}: unknown field {field!r}: written by a newer apk (expected one of {_known()})")


def _known() -> str:
    letters: Mapping[str, str] = {**_TEXT, **_NUMBERS, **_LISTS}
    return ", ".join(sorted([*letters, *_FILE_FIELDS, "P", "V"]))
