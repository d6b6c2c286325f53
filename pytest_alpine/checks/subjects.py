"""What checks have in common: what they look at, and how they name a file."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.database import DATABASES
from pytest_alpine.apk.package import Packages
from pytest_alpine.platforms import PLATFORMS, Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_alpine.apk.package import Package
    from pytest_alpine.checks.findings import Target
    from pytest_alpine.elf.reader import ElfFile, ElfHeader

BUILT_FOR_MUSL: Final = "a file built for musl"

# GLIBC_PRIVATE has none, and is older than any.
_NUMBER: Final = re.compile(r"[0-9]{1,9}")


def packages_of(target: Target) -> Packages:
    """Return the packages of *target*; none where there is no package database.

    Raises:
        DatabaseError: the database is malformed.
    """
    return target.packages if any(map(target.rootfs.exists, DATABASES)) else Packages()


def owner_of(packages: Packages, path: str) -> Package | None:
    """Return the package that brought the file at *path*, which has no links, or None."""
    # Where /lib, /bin and /sbin are links into /usr, packages may still name the link.
    return packages.owner(path) or (packages.owner(path[4:]) if path.startswith("/usr/") else None)


def named(packages: Packages, path: str) -> str:
    """Return *path* as messages name it: with its package."""
    return f"{path} ({owner_of(packages, path) or 'no package'})"


def matches(path: str, globs: Iterable[str]) -> bool:
    """Whether one of *globs* matches *path*; ``*`` matches ``/`` too."""
    return any(fnmatchcase(path, glob) for glob in globs)


def as_globs(globs: str | Iterable[str]) -> tuple[str, ...]:
    """Return *globs*, one or several, as a tuple."""
    return (globs,) if isinstance(globs, str) else tuple(globs)


def is_for(elf: ElfHeader, platform: Platform) -> bool:
    """Whether *elf* is for the machine of *platform*: class, byte order and ``e_machine``."""
    return elf.form == platform.machine.elf_form


def same_machine(elf: ElfHeader, other: ElfHeader) -> bool:
    """Whether two ELF files are for one machine."""
    return elf.form == other.form


def machine_name(elf: ElfHeader) -> str:
    """Return the platform that *elf* is for, or where Alpine does not exist for it, its header's numbers."""
    found = [str(platform) for platform in PLATFORMS if is_for(elf, platform)]
    if found:
        return " or ".join(found)
    order = "big" if elf.big_endian else "little"
    return f"ELF machine {elf.machine}, {elf.bits}-bit, {order}-endian"


def built_for_glibc(elf: ElfFile) -> str:
    """Return how messages tell that *elf* was built for glibc: by the newest version of its symbols that it needs."""
    newest = max(elf.glibc_versions, key=lambda version: [int(number) for number in _NUMBER.findall(version)])
    return f"one built for glibc, which needs {newest}"
