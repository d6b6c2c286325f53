"""ELF files as a program loader sees them: their machine, and the libraries that they need.

Specs: the System V gABI (chapters 4 and 5), and the symbol versions of the Linux Standard Base (``Elf_Verneed``).
An image contains hundreds of ELF files, and most checks need only the headers of each. This module reads them in
microseconds per file. pyelftools reads what only sections contain (``arm_attributes.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Literal

from pytest_alpine.elf.contents import MAGIC, ElfContents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EM_ARM: Final = 40

_ET_EXEC: Final = 2
_ET_DYN: Final = 3
_DF_1_PIE: Final = 0x08000000

_DT_NEEDED: Final = 1
_DT_SONAME: Final = 14
_DT_RPATH: Final = 15
_DT_RUNPATH: Final = 29
_DT_FLAGS_1: Final = 0x6FFFFFFB
_DT_VERNEED: Final = 0x6FFFFFFE
_DT_VERNEEDNUM: Final = 0x6FFFFFFF

# Far more than linkers write (about 50 versions). Without a limit, a small file could keep its reader busy for hours.
_MAX_VERSIONS: Final = 4096

# The libraries of glibc. Other libraries have symbol versions GLIBC_* too: GCC's libgcc_s has them in every build, also
# for musl, and auditwheel renames its copies of it (libgcc_s-0cd532bd.so.1).
_GLIBC_LIBRARY: Final = re.compile(
    r"(?:lib(?:c|m|pthread|dl|rt|util|mvec|resolv|crypt|anl|nsl|BrokenLocale|nss_\w+|thread_db|c_malloc_debug)"
    r"|ld|ld64|ld-linux(?:-[\w-]+)?)\.[^/]+"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ElfHeader:
    """The fields of an ELF file that the kernel reads: its machine and its loader."""

    bits: Literal[32, 64]
    big_endian: bool
    machine: int
    """``e_machine``, such as 62 for x86-64."""
    type: int
    """``e_type``: 1 relocatable, 2 executable at a fixed address, 3 shared object or executable at any address."""
    osabi: int
    flags: int
    """``e_flags``, whose meaning depends on the machine."""
    interpreter: str | None
    """The path of its program loader (PT_INTERP), or None."""

    @property
    def form(self) -> tuple[int, int, bool]:
        """The fields that all files for one machine share: ``machine``, ``bits`` and ``big_endian``."""
        return self.machine, self.bits, self.big_endian


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionNeed:
    """The symbol versions that an ELF file needs from one library."""

    library: str
    versions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ElfFile(ElfHeader):
    """An ELF file: its header, and what it needs from the dynamic loader."""

    needed: tuple[str, ...]
    """The names of the libraries that it needs (DT_NEEDED), in the order of the file."""
    soname: str | None
    runpath: str | None
    rpath: str | None
    flags_1: int
    """DT_FLAGS_1; 0 if there is none."""
    version_needs: tuple[VersionNeed, ...]

    @property
    def glibc_versions(self) -> tuple[str, ...]:
        """The symbol versions that it needs from glibc, such as ``GLIBC_2.34``; empty if it was not built for glibc."""
        needs = [need for need in self.version_needs if _GLIBC_LIBRARY.fullmatch(need.library)]
        named = {name for need in needs for name in need.versions if name.startswith("GLIBC_")}
        return tuple(sorted(named))

    @property
    def is_pie(self) -> bool:
        """Whether this is a position-independent executable."""
        return self.type == _ET_DYN and bool(self.interpreter or self.flags_1 & _DF_1_PIE)

    @property
    def is_static(self) -> bool:
        """Whether this is an executable that needs neither loader nor libraries."""
        executable = self.type == _ET_EXEC or self.is_pie
        return executable and self.interpreter is None and not self.needed


def is_elf(head: bytes) -> bool:
    """Whether a file that begins with *head* is an ELF file; the first four bytes are enough."""
    return head.startswith(MAGIC)


def read_header(data: bytes | IO[bytes], where: str) -> ElfHeader:
    """Return the header of the ELF file *data*, which is the bytes of the file or a seekable stream of them.

    Raises:
        MalformedImage: *data* is not an ELF file, or is broken; the message begins with *where*.
    """
    return ElfHeader(**_header(ElfContents(data, where)))


def read_elf(data: bytes | IO[bytes], where: str) -> ElfFile:
    """Return the header and the dynamic section of the ELF file *data*. Time and memory are bounded for any content.

    Args:
        data: the bytes of the file, or a seekable stream of them.
        where: the name of the file in messages.

    Raises:
        MalformedImage: *data* is not an ELF file, or is broken; the message begins with *where*.
    """
    contents = ElfContents(data, where)
    dynamic = contents.dynamic()
    return ElfFile(
        **_header(contents),
        needed=tuple(contents.string(dynamic, offset) for offset in dynamic.get(_DT_NEEDED, [])),
        soname=contents.tag_string(dynamic, _DT_SONAME),
        runpath=contents.tag_string(dynamic, _DT_RUNPATH),
        rpath=contents.tag_string(dynamic, _DT_RPATH),
        flags_1=dynamic.get(_DT_FLAGS_1, [0])[0],
        version_needs=tuple(_version_needs(contents, dynamic)),
    )


def _header(contents: ElfContents) -> dict[str, Any]:
    """Return the fields of an ElfHeader."""
    return {
        "bits": contents.layout.bits,
        "big_endian": contents.order == ">",
        "machine": contents.machine,
        "type": contents.type,
        "osabi": contents.osabi,
        "flags": contents.flags,
        "interpreter": contents.interpreter(),
    }


def _version_needs(contents: ElfContents, dynamic: Mapping[int, list[int]]) -> Iterator[VersionNeed]:
    """Yield the symbol versions needed from each library."""
    if _DT_VERNEED not in dynamic:
        return
    place, left = contents.place(dynamic[_DT_VERNEED][0], "needed versions"), _MAX_VERSIONS
    for _ in range(dynamic.get(_DT_VERNEEDNUM, [0])[0]):
        _, count, library, first, following = contents.struct_at("HHIII", place, "needed versions")
        left -= 1 + count
        if left < 0:
            raise contents.broken(f"more than {_MAX_VERSIONS} needed versions")
        names = tuple(_version_names(contents, dynamic, place + first, count))
        yield VersionNeed(library=contents.string(dynamic, library), versions=names)
        if not following:
            return
        place += following


def _version_names(contents: ElfContents, dynamic: Mapping[int, list[int]], place: int, count: int) -> Iterator[str]:
    for _ in range(count):
        *_, name, following = contents.struct_at("IHHII", place, "needed versions")
        yield contents.string(dynamic, name)
        if not following:
            return
        place += following
