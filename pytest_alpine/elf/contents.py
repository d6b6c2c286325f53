"""The parts of an ELF file that a program loader reads: header, program headers, dynamic section.

Spec: the System V gABI, chapters 4 and 5.
Section headers are not read: loaders do not read them, and a stripped file may have none.
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

_PT_LOAD: Final = 1
_PT_DYNAMIC: Final = 2
_PT_INTERP: Final = 3
_PN_XNUM: Final = 0xFFFF

_DT_NULL: Final = 0
_DT_STRTAB: Final = 5

# Bytes. Linux refuses a longer interpreter, and cannot open a longer name.
_PATH_MAX: Final = 4096
# Far more than linkers write (about 40 entries). Without a limit, a small file could keep its reader busy for hours.
_MAX_DYNAMIC_BYTES: Final = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The records of one class of ELF files, as formats of ``struct``."""

    bits: Literal[32, 64]
    header: str
    """Type, machine, version, entry, two offsets, flags, size; the size and number of program headers."""
    segment: str
    """Type, offset, address, size in the file; the flags, whose position differs, are skipped."""
    dynamic: str


_LAYOUTS: Final[dict[int, Layout]] = {
    1: Layout(bits=32, header="HHIIIIIHHH", segment="III4xI12x", dynamic="iI"),
    2: Layout(bits=64, header="HHIQQQIHHH", segment="I4xQQ8xQ16x", dynamic="qQ"),
}
_BYTE_ORDERS: Final = {1: "<", 2: ">"}


@dataclass(frozen=True, slots=True)
class Segment:
    """The fields of a program header that this module uses."""

    type: int
    offset: int
    address: int
    size: int


class ElfContents:
    """The contents of one ELF file. Every read is checked against the length of the file.

    Raises:
        MalformedImage: *data* is not an ELF file, or is broken; the message begins with *where*. All methods raise it.
    """

    def __init__(self, data: bytes | IO[bytes], where: str) -> None:
        self._stream = io.BytesIO(data) if isinstance(data, bytes) else data
        self._where = where
        self._end = self._stream.seek(0, io.SEEK_END)
        ident = self.bytes_at(0, 16, "identification")
        if not ident.startswith(MAGIC):
            raise self.broken(f"begins with {ident[:4]!r} (expected {MAGIC!r})")
        if ident[4] not in _LAYOUTS or ident[5] not in _BYTE_ORDERS:
            raise self.broken(f"class {ident[4]}, byte order {ident[5]} (expected 1 or 2 each)")
        self.layout, self.order = _LAYOUTS[ident[4]], _BYTE_ORDERS[ident[5]]
        self.osabi = ident[7]
        self._header = self.struct_at(self.layout.header, 16, "header")
        self._segments = tuple(self._program_headers())

    @property
    def type(self) -> int:
        """``e_type``."""
        return int(self._header[0])

    @property
    def machine(self) -> int:
        """``e_machine``."""
        return int(self._header[1])

    @property
    def flags(self) -> int:
        """``e_flags``."""
        return int(self._header[6])

    def interpreter(self) -> str | None:
        """Return the path in PT_INTERP, or None."""
        segment = next((found for found in self._segments if found.type == _PT_INTERP), None)
        if segment is None:
            return None
        if not 1 < segment.size <= _PATH_MAX:
            raise self.broken(f"interpreter of {segment.size} bytes (expected 2 to {_PATH_MAX})")
        return _decoded(self.bytes_at(segment.offset, segment.size, "interpreter").partition(b"\0")[0])

    def dynamic(self) -> Mapping[int, list[int]]:
        """Return the values of every tag of the dynamic section; empty if there is no such section."""
        segment = next((found for found in self._segments if found.type == _PT_DYNAMIC), None)
        values: dict[int, list[int]] = {}
        if segment is None:
            return values
        if segment.size > _MAX_DYNAMIC_BYTES:
            raise self.broken(f"dynamic section of {segment.size} bytes (expected at most {_MAX_DYNAMIC_BYTES})")
        entry = struct.Struct(self.order + self.layout.dynamic)
        data = self.bytes_at(segment.offset, segment.size - segment.size % entry.size, "dynamic section")
        for tag, value in entry.iter_unpack(data):
            if tag == _DT_NULL:
                break
            values.setdefault(tag, []).append(value)
        return values

    def tag_string(self, dynamic: Mapping[int, list[int]], tag: int) -> str | None:
        """Return the string that the first entry of *tag* refers to, or None."""
        return self.string(dynamic, dynamic[tag][0]) if tag in dynamic else None

    def string(self, dynamic: Mapping[int, list[int]], offset: int) -> str:
        """Return the string at *offset* of the dynamic string table."""
        if _DT_STRTAB not in dynamic:
            raise self.broken("dynamic section without a string table")
        return self._text(self.place(dynamic[_DT_STRTAB][0], "string table") + offset, "dynamic string")

    def place(self, address: int, what: str) -> int:
        """Return the offset in the file of the byte that is loaded at *address*."""
        for segment in self._segments:
            if segment.type == _PT_LOAD and segment.address <= address < segment.address + segment.size:
                return address - segment.address + segment.offset
        raise self.broken(f"{what} at address {address:#x}, which no segment loads")

    def struct_at(self, layout: str, place: int, what: str) -> tuple[Any, ...]:
        """Return the fields of the record at offset *place*, in the byte order of the file."""
        form = self.order + layout
        return struct.unpack(form, self.bytes_at(place, struct.calcsize(form), what))

    def bytes_at(self, place: int, length: int, what: str) -> bytes:
        """Return *length* bytes at offset *place*."""
        if length < 0 or place + length > self._end:
            raise self.broken(f"truncated: {what} at byte {place}, the file has {self._end}")
        self._stream.seek(place)
        return self._stream.read(length)

    def broken(self, problem: str) -> MalformedImage:
        """Return an error whose message names the file and the *problem*."""
        return MalformedImage(f"{self._where}: broken ELF file: {problem}")

    def _program_headers(self) -> Iterator[Segment]:
        place, size, count = self._header[4], self._header[8], self._header[9]
        if not count:
            return
        entry = struct.Struct(self.order + self.layout.segment)
        if size != entry.size or count == _PN_XNUM:
            raise self.broken(f"{count} program headers of {size} bytes (expected less than 65535 of {entry.size})")
        for fields in entry.iter_unpack(self.bytes_at(place, size * count, "program headers")):
            yield Segment(*fields)

    def _text(self, place: int, what: str) -> str:
        end = min(place + _PATH_MAX, self._end)
        text, nul, _ = self.bytes_at(place, end - place, what).partition(b"\0")
        if not nul:
            raise self.broken(f"{what} at byte {place} does not end")
        return _decoded(text)


def _decoded(name: bytes) -> str:
    # Names are bytes to Linux. Those that are not UTF-8 become surrogate escapes, as in the names of a tar.
    return name.decode("utf-8", "surrogateescape")
