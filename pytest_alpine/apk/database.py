"""apk's records in a root filesystem: installed packages, world, repositories and architecture.

Spec: apk(8), "FILES".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.constraint import Constraint
from pytest_alpine.apk.installed import parse_installed
from pytest_alpine.apk.repositories import Repository, RepositoryParser
from pytest_alpine.errors import DatabaseError, FileNotInImage, InvalidConstraint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.apk.package import Packages
    from pytest_alpine.rootfs.base import RootFS

DATABASES: Final = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
"""The paths of the database. apk reads the first, which leads to the second if ``/lib`` is a link to ``usr/lib``."""
WORLD: Final = "/etc/apk/world"
ARCH: Final = "/etc/apk/arch"
REPOSITORIES: Final = "/etc/apk/repositories"
REPOSITORY_FOLDERS: Final = ("/etc/apk/repositories.d", "/lib/apk/repositories.d")


def has_installed(rootfs: RootFS) -> bool:
    """Whether there is a package database, readable or not."""
    return any(map(rootfs.exists, DATABASES))


def read_installed(rootfs: RootFS) -> Packages:
    """Return the installed packages.

    Raises:
        DatabaseError: there is no database, or it is malformed.
    """
    for path in DATABASES:
        data = _read(rootfs, path)
        if data is not None:
            return parse_installed(data, path)
    raise DatabaseError(f"no apk database: neither {DATABASES[0]} nor {DATABASES[1]} is there (is this Alpine?)")


def read_world(rootfs: RootFS) -> tuple[Constraint, ...]:
    """Return the constraints in ``/etc/apk/world``, in the order of the file.

    Raises:
        DatabaseError: there is no such file, or a word in it is not a constraint.
    """
    data = _read(rootfs, WORLD)
    if data is None:
        raise DatabaseError(f"{WORLD} is not there (expected the packages asked for, one to a line)")
    return tuple(parse_world(data, WORLD))


def parse_world(data: bytes, where: str) -> Iterator[Constraint]:
    """Yield the constraints in the world file *data*, which any white space separates.

    Raises:
        DatabaseError: a word is not a constraint; the message begins with *where* and the number of the line.
    """
    for number, line in enumerate(_text(data).split("\n"), 1):
        for word in line.split():
            yield _constraint(word, f"{where}:{number}")


def read_arch(rootfs: RootFS) -> str:
    """Return the architecture of the packages: the first in ``/etc/apk/arch``, such as ``aarch64``.

    Raises:
        DatabaseError: there is no such file, or it is empty.
    """
    data = _read(rootfs, ARCH)
    words = _text(data or b"").split()
    if not words:
        state = "not there" if data is None else "empty"
        raise DatabaseError(f"{ARCH} is {state} (expected an architecture, such as 'x86_64')")
    return words[0]


def read_repositories(rootfs: RootFS) -> tuple[Repository, ...]:
    """Return the repositories in ``/etc/apk/repositories``, then those in ``repositories.d``; none if no file exists.

    Only apk 3 reads ``repositories.d/*.list``, in ``/etc/apk`` and in ``/lib/apk``. A file in the first folder hides
    the file with the same name in the second.

    Raises:
        DatabaseError: a line is malformed, or uses ``APK_ARCH`` while ``/etc/apk/arch`` is missing or empty.
    """
    parser = RepositoryParser(arch=lambda: read_arch(rootfs))
    found: list[Repository] = []
    for path in (REPOSITORIES, *_lists(rootfs)):
        data = _read(rootfs, path)
        if data is not None:
            found += parser.parse(_text(data), path)
    return tuple(found)


def _constraint(word: str, where: str) -> Constraint:
    try:
        return Constraint.lenient(word)
    except InvalidConstraint as error:
        raise DatabaseError(f"{where}: {error}") from error


def _lists(rootfs: RootFS) -> Iterator[str]:
    """Yield the paths of the files in ``repositories.d``, in the order in which apk reads them."""
    seen: set[str] = set()
    for folder in REPOSITORY_FOLDERS:
        if not rootfs.exists(folder):
            continue
        real = rootfs.resolve(folder)
        for entry in rootfs.walk(folder):
            directory, _, name = entry.path.rpartition("/")
            if directory == real and name.endswith(".list") and name not in seen:
                seen.add(name)
                yield f"{folder}/{name}"


def _read(rootfs: RootFS, path: str) -> bytes | None:
    try:
        return rootfs.read(path)
    except FileNotInImage:
        return None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
