"""What several checks ask about paths and ELF files, and how their messages describe an ELF file."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from pytest_alpine.platforms import PLATFORMS, Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_alpine.elf.reader import ElfFile, ElfHeader

BUILT_FOR_MUSL: Final = "a file built for musl"

# GLIBC_PRIVATE has no number, and counts as the oldest.
_NUMBER: Final = re.compile(r"[0-9]{1,9}")


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
    """Return how messages say that *elf* was built for glibc: with the newest version of symbols that it needs."""
    newest = max(elf.glibc_versions, key=lambda version: [int(number) for number in _NUMBER.findall(version)])
    return f"one built for glibc, which needs {newest}"


def require_known(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise TypeError unless all keyword arguments *names* are *known*."""
    known = list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise TypeError(f"unknown: {', '.join(unknown)} (expected some of {keywords(known)})")


def keywords(names: Iterable[str]) -> str:
    """Return *names* of keyword arguments as messages write them.

    >>> keywords(["mode", "owner"])
    'mode=, owner='
    """
    return ", ".join(f"{name}=" for name in names)
