"""ELF files as a program loader sees them: header, program headers, dynamic section, needed versions.

Specs: the System V gABI (chapters 4 and 5), and the symbol versions of the Linux Standard Base (``Elf_Verneed``).
An image holds hundreds of ELF files, and most questions need the first hundred bytes of each: these parts are read
here, at microseconds a file. What stands in sections only is left to pyelftools (``arm_attributes.py``).
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Literal

from pytest_alpine.errors import MalformedImage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAGIC: Final = b"\x7fELF"

EM_ARM: Final = 40

_ET_EXEC: Final = 2
_ET_DYN: Final = 3
_PT_LOAD: Final = 1
_PT_DYNAMIC: Final = 2
_PT_INTERP: Final = 3
_PN_XNUM: Final = 0xFFFF
_DF_1_PIE: Final = 0x08000000

_DT_NULL: Final = 0
_DT_NEEDED: Final = 1
_DT_STRTAB: Final = 5
_DT_SONAME: Final = 14
_DT_RPATH: Final = 15
_DT_RUNPATH: Final = 29
_DT_FLAGS_1: Final = 0x6FFFFFFB
_DT_VERNEED: Final = 0x6FFFFFFE
_DT_VERNEEDNUM: Final = 0x6FFFFFFF

# Linux refuses a longer interpreter, and no longer name can be opened.
_PATH_MAX: Final = 4096
# Far above what linkers write (some 40 entries, some 50 versions); without limits a file of a few bytes could keep
# its reader busy for hours.
_MAX_DYNAMIC_BYTES: Final = 1 << 16
_MAX_VERSIONS: Final = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class ElfHeader:
    """What the kernel looks at: for which machine an ELF file is, and who loads it."""

    bits: Literal[32, 64]
    big_endian: bool
    machine: int
    """``e_machine``, such as 62 for x86-64."""
    type: int
    """``e_type``: 1 relocatable, 2 executable at a fixed address, 3 shared object or executable at any address."""
    osabi: int
    flags: int
    """``e_flags``, which each machine defines for itself."""
    interpreter: str | None
    """The program loader that it asks for (PT_INTERP)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionNeed:
    """The symbol versions that an ELF file needs of one library."""

    library: str
    versions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ElfFile(ElfHeader):
    """An ELF file: its header and what it asks of the dynamic loader."""

    needed: tuple[str, ...]
    """The libraries it needs (DT_NEEDED), in their order."""
    soname: str | None
    runpath: str | None
    rpath: str | None
    flags_1: int
    """DT_FLAGS_1, 0 where there is none."""
    version_needs: tuple[VersionNeed, ...]

    @property
    def glibc_versions(self) -> tuple[str, ...]:
        """The versions of glibc's symbols that it needs, such as ``GLIBC_2.34``: it was built against glibc."""
        named = {name for need in self.version_needs for name in need.versions if name.startswith("GLIBC_")}
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
    """Whether a file that begins with *head* is an ELF file; four bytes tell."""
    return head.startswith(MAGIC)


def read_header(data: bytes | IO[bytes], where: str) -> ElfHeader:
    """Return the header of the ELF file *data*, its bytes or a seekable stream of them.

    Raises:
        MalformedImage: not an ELF file, or a broken one; the message begins with *where*.
    """
    return _Reader(data, where).header()


def read_elf(data: bytes | IO[bytes], where: str) -> ElfFile:
    """Return what the ELF file *data* asks of its loaders. Time and memory are bounded, whatever it claims.

    Args:
        data: its bytes, or a seekable stream of them.
        where: what messages call it.

    Raises:
        MalformedImage: not an ELF file, or a broken one; the message begins with *where*.
    """
    reader = _Reader(data, where)
    header = reader.header()
    dynamic = reader.dynamic()
    return ElfFile(
        **{name: getattr(header, name) for name in ElfHeader.__slots__},
        needed=tuple(reader.string(dynamic, offset) for offset in dynamic.get(_DT_NEEDED, [])),
        soname=reader.tag_string(dynamic, _DT_SONAME),
        runpath=reader.tag_string(dynamic, _DT_RUNPATH),
        rpath=reader.tag_string(dynamic, _DT_RPATH),
        flags_1=dynamic.get(_DT_FLAGS_1, [0])[0],
        version_needs=tuple(reader.version_needs(dynamic)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layout:
    """The records of one class of ELF files, as ``struct`` writes them."""

    bits: Literal[32, 64]
    header: str
    """Type, machine, version, entry, two places, flags, size; the size and number of program headers."""
    segment: str
    """Type, offset, address, size in the file; the 32-bit form has its flags elsewhere."""
    dynamic: str


_LAYOUTS: Final[dict[int, _Layout]] = {
    1: _Layout(bits=32, header="HHIIIIIHHH", segment="III4xI12x", dynamic="iI"),
    2: _Layout(bits=64, header="HHIQQQIHHH", segment="I4xQQ8xQ16x", dynamic="qQ"),
}
_BYTE_ORDERS: Final = {1: "<", 2: ">"}


@dataclass(frozen=True, slots=True)
class _Segment:
    """The fields of a program header that matter here."""

    type: int
    offset: int
    address: int
    size: int


class _Reader:
    """One ELF file being read; every look at its bytes is checked against its length."""

    def __init__(self, data: bytes | IO[bytes], where: str) -> None:
        self._stream = io.BytesIO(data) if isinstance(data, bytes) else data
        self._where = where
        self._end = self._stream.seek(0, io.SEEK_END)
        ident = self._bytes(0, 16, "identification")
        if not is_elf(ident):
            raise self._broken(f"begins with {ident[:4]!r} (expected {MAGIC!r})")
        if ident[4] not in _LAYOUTS or ident[5] not in _BYTE_ORDERS:
            raise self._broken(f"class {ident[4]}, byte order {ident[5]} (expected 1 or 2 each)")
        self._layout, self._order = _LAYOUTS[ident[4]], _BYTE_ORDERS[ident[5]]
        self._osabi = ident[7]
        self._header = self._struct(self._layout.header, 16, "header")
        self._segments = tuple(self._program_headers())

    def header(self) -> ElfHeader:
        """Return what the header and PT_INTERP say."""
        return ElfHeader(
            bits=self._layout.bits,
            big_endian=self._order == ">",
            type=self._header[0],
            machine=self._header[1],
            osabi=self._osabi,
            flags=self._header[6],
            interpreter=self._interpreter(),
        )

    def dynamic(self) -> Mapping[int, list[int]]:
        """Return the values of every tag of the dynamic section; none where there is no such section."""
        segment = next((found for found in self._segments if found.type == _PT_DYNAMIC), None)
        values: dict[int, list[int]] = {}
        if segment is None:
            return values
        if segment.size > _MAX_DYNAMIC_BYTES:
            raise self._broken(f"dynamic section of {segment.size} bytes (expected at most {_MAX_DYNAMIC_BYTES})")
        entry = struct.Struct(self._order + self._layout.dynamic)
        data = self._bytes(segment.offset, segment.size - segment.size % entry.size, "dynamic section")
        for tag, value in entry.iter_unpack(data):
            if tag == _DT_NULL:
                break
            values.setdefault(tag, []).append(value)
        return values

    def tag_string(self, dynamic: Mapping[int, list[int]], tag: int) -> str | None:
        """Return the string that the first entry of *tag* names, or None."""
        return self.string(dynamic, dynamic[tag][0]) if tag in dynamic else None

    def string(self, dynamic: Mapping[int, list[int]], offset: int) -> str:
        """Return the string at *offset* of the dynamic string table."""
        if _DT_STRTAB not in dynamic:
            raise self._broken("dynamic section without a string table")
        return self._text(self._place(dynamic[_DT_STRTAB][0], "string table") + offset, "dynamic string")

    def version_needs(self, dynamic: Mapping[int, list[int]]) -> Iterator[VersionNeed]:
        """Yield the symbol versions needed of each library."""
        if _DT_VERNEED not in dynamic:
            return
        place, left = self._place(dynamic[_DT_VERNEED][0], "needed versions"), _MAX_VERSIONS
        for _ in range(dynamic.get(_DT_VERNEEDNUM, [0])[0]):
            _, count, library, first, following = self._struct("HHIII", place, "needed versions")
            left -= 1 + count
            if left < 0:
                raise self._broken(f"more than {_MAX_VERSIONS} needed versions")
            names = tuple(self._version_names(dynamic, place + first, count))
            yield VersionNeed(library=self.string(dynamic, library), versions=names)
            if not following:
                return
            place += following

    def _version_names(self, dynamic: Mapping[int, list[int]], place: int, count: int) -> Iterator[str]:
        for _ in range(count):
            *_, name, following = self._struct("IHHII", place, "needed versions")
            yield self.string(dynamic, name)
            if not following:
                return
            place += following

    def _program_headers(self) -> Iterator[_Segment]:
        place, size, count = self._header[4], self._header[8], self._header[9]
        if not count:
            return
        entry = struct.Struct(self._order + self._layout.segment)
        if size != entry.size or count == _PN_XNUM:
            raise self._broken(f"{count} program headers of {size} bytes (expected less than 65535 of {entry.size})")
        for fields in entry.iter_unpack(self._bytes(place, size * count, "program headers")):
            yield _Segment(*fields)

    def _interpreter(self) -> str | None:
        segment = next((found for found in self._segments if found.type == _PT_INTERP), None)
        if segment is None:
            return None
        if not 1 < segment.size <= _PATH_MAX:
            raise self._broken(f"interpreter of {segment.size} bytes (expected 2 to {_PATH_MAX})")
        return _decoded(self._bytes(segment.offset, segment.size, "interpreter").partition(b"\0")[0])

    def _place(self, address: int, what: str) -> int:
        """Return where in the file the byte stands that is loaded at *address*."""
        for segment in self._segments:
            if segment.type == _PT_LOAD and segment.address <= address < segment.address + segment.size:
                return address - segment.address + segment.offset
        raise self._broken(f"{what} at address {address:#x}, which no segment loads")

    def _text(self, place: int, what: str) -> str:
        end = min(place + _PATH_MAX, self._end)
        text, nul, _ = self._bytes(place, end - place, what).partition(b"\0")
        if not nul:
            raise self._broken(f"{what} at byte {place} does not end")
        return _decoded(text)

    def _struct(self, layout: str, place: int, what: str) -> tuple[Any, ...]:
        form = self._order + layout
        return struct.unpack(form, self._bytes(place, struct.calcsize(form), what))

    def _bytes(self, place: int, length: int, what: str) -> bytes:
        if length < 0 or place + length > self._end:
            raise self._broken(f"truncated: {what} at byte {place}, the file has {self._end}")
        self._stream.seek(place)
        return self._stream.read(length)

    def _broken(self, problem: str) -> MalformedImage:
        return MalformedImage(f"{self._where}: broken ELF file: {problem}")


def _decoded(name: bytes) -> str:
    # Names are bytes to Linux; odd ones survive the way back, as they do in the names of a tar.
    return name.decode("utf-8", "surrogateescape")
