"""The dynamic symbols of ELF files: those that a file needs, those that it defines, and those that no file defines.

Specs: the System V gABI ("Symbol Table", "Relocation", "Hash Table"); DT_GNU_HASH as binutils write it; and musl's
``ldso/dynlink.c`` (``do_relocs``, ``find_sym2``). musl looks up only the symbols that relocations refer to, in all
loaded objects. It ignores symbol versions, but skips a symbol that its file hides in favour of another version.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from pytest_alpine.elf.contents import ElfContents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_DT_HASH: Final = 4
_DT_STRTAB: Final = 5
_DT_SYMTAB: Final = 6
_DT_STRSZ: Final = 10
_DT_PLTREL: Final = 20
_DT_VERSYM: Final = 0x6FFFFFF0
_DT_GNU_HASH: Final = 0x6FFFFEF5
_RELA: Final = 7
# For each table of relocations, the tags of its address, its size and its form: DT_RELA, DT_REL, and DT_JMPREL.
_TABLES: Final = ((_RELA, 8, _RELA), (17, 18, 17), (23, 2, None))

_STB_LOCAL: Final = 0
_STB_WEAK: Final = 2
_STT_TLS: Final = 6
# musl accepts as definitions symbols without a type, data, functions, common blocks and thread-local data, ...
_TYPES: Final = frozenset({0, 1, 2, 5, _STT_TLS})
# ... that are global, weak, or unique (STB_GNU_UNIQUE).
_BINDINGS: Final = frozenset({1, _STB_WEAK, 10})
_HIDDEN: Final = 0x8000

_EM_S390: Final = 22
# R_*_COPY by machine: the program reserves space for data of a library, which must define the symbol.
_COPY: Final = {3: 5, 20: 19, 21: 19, _EM_S390: 9, 40: 20, 62: 5, 183: 1024, 243: 4, 258: 4}

# Chromium has 300,000 relocations and 20,000 symbols; libLLVM has 60,000 symbols.
_MAX_SYMBOLS: Final = 1 << 20
_MAX_TABLE: Final = 256 << 20
# Names may share their ends, so that all names together may be longer than the table that contains them.
_SHARING: Final = 8
_SPARE: Final = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Symbols:
    """The dynamic symbols of one file."""

    needed: frozenset[bytes]
    """The symbols that its relocations need from other objects, without weak ones, which need no definition."""
    copied: frozenset[bytes]
    """The symbols whose data its relocations copy from another object."""
    defined: frozenset[bytes]
    """The symbols that a look-up finds in it."""


def read_symbols(data: bytes | IO[bytes], where: str) -> Symbols:
    """Return the dynamic symbols of the ELF file *data*. Time and memory are bounded for any content.

    Args:
        data: the bytes of the file, or a seekable stream of them.
        where: the name of the file in messages.

    Raises:
        MalformedImage: *data* is not an ELF file, or is broken; the message begins with *where*.
    """
    contents = ElfContents(data, where)
    dynamic = contents.dynamic()
    if _DT_SYMTAB not in dynamic or _DT_STRTAB not in dynamic:
        return Symbols(needed=frozenset(), copied=frozenset(), defined=frozenset())
    table = _SymbolTable(contents, dynamic)
    named, copied = _relocated(contents, dynamic)
    # A look-up uses the hash of the name, so that it finds no symbol without a name.
    defined = frozenset(table.defined(*_hashed(contents, dynamic))) - {b""}
    return Symbols(
        needed=frozenset(table.needed(named)) - defined, copied=frozenset(table.names(copied)), defined=defined
    )


def unresolved(objects: Sequence[Symbols], scope: Sequence[Symbols] = ()) -> Iterator[tuple[int, frozenset[bytes]]]:
    """Yield the symbols that no object defines: the number of the object that needs them, and their names.

    Args:
        objects: the loaded objects, the program first.
        scope: further loaded objects, such as the C library, whose own needs are not checked.
    """
    for number, found in enumerate(objects):
        lacking = _without(found.needed, [*scope, *objects])
        # Only the program has copies; its own definition is the reserved space.
        copied = _without(found.copied, [*scope, *objects[1:]]) if number == 0 else frozenset()
        if lacking or copied:
            yield number, lacking | copied


def _without(names: frozenset[bytes], objects: Iterable[Symbols]) -> frozenset[bytes]:
    for found in objects:
        if not names:
            break
        names -= found.defined
    return names


class _SymbolTable:
    """The symbols and their names, read in one piece each."""

    def __init__(self, contents: ElfContents, dynamic: Mapping[int, list[int]]) -> None:
        self._contents = contents
        # The name, value, info and section of each symbol; padding skips the rest.
        form = "IB1xHQ8x" if contents.layout.bits == 64 else "II4xB1xH"  # noqa: PLR2004 - bits
        self._entry = struct.Struct(contents.order + form)
        self._wide = contents.layout.bits == 64  # noqa: PLR2004 - bits
        self._place = contents.place(dynamic[_DT_SYMTAB][0], "symbol table")
        size = dynamic.get(_DT_STRSZ, [0])[0]
        if size > _MAX_TABLE:
            raise contents.broken(f"string table of {size} bytes (expected at most {_MAX_TABLE})")
        self._strings = contents.bytes_at(contents.place(dynamic[_DT_STRTAB][0], "strings"), size, "string table")
        self._left = _SHARING * size + _SPARE

    def needed(self, numbers: Iterable[int]) -> Iterator[bytes]:
        """Yield the names of the symbols *numbers* without weak ones, which need no definition."""
        for name, info, section, _ in self._symbols(numbers):
            if info >> 4 != _STB_LOCAL and (section or info >> 4 != _STB_WEAK):
                yield self._name(name)

    def names(self, numbers: Iterable[int]) -> Iterator[bytes]:
        """Yield the names of the symbols *numbers*."""
        return (self._name(name) for name, *_ in self._symbols(numbers))

    def defined(self, first: int, end: int, versions: bytes) -> Iterator[bytes]:
        """Yield the names that a look-up finds among the symbols from *first* up to *end*."""
        data = self._contents.bytes_at(
            self._place + first * self._entry.size, (end - first) * self._entry.size, "symbol table"
        )
        hidden = struct.unpack(f"{self._contents.order}{len(versions) // 2}H", versions)
        for number, fields in enumerate(self._entry.iter_unpack(data)):
            name, info, section, value = self._fields(fields)
            found = section and (value or info & 15 == _STT_TLS)
            found = found and info & 15 in _TYPES and info >> 4 in _BINDINGS
            if found and not (hidden and hidden[number] & _HIDDEN):
                yield self._name(name)

    def _symbols(self, numbers: Iterable[int]) -> Iterator[tuple[int, int, int, int]]:
        for number in sorted(numbers):
            place = self._place + number * self._entry.size
            yield self._fields(self._entry.unpack(self._contents.bytes_at(place, self._entry.size, "symbol")))

    def _fields(self, fields: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Return name, info, section and value, whose order the class of the file decides."""
        if self._wide:
            name, info, section, value = fields
        else:
            name, value, info, section = fields
        return name, info, section, value

    def _name(self, offset: int) -> bytes:
        end = self._strings.find(b"\0", offset)
        if end < 0 or offset >= len(self._strings):
            raise self._contents.broken(f"name of a symbol at byte {offset} of the string table does not end")
        self._left -= end - offset
        if self._left < 0:
            raise self._contents.broken("names of symbols that are longer than the string table")
        return self._strings[offset:end]


def _relocated(contents: ElfContents, dynamic: Mapping[int, list[int]]) -> tuple[set[int], set[int]]:
    """Return the numbers of the symbols that relocations refer to, and of those whose data they copy."""
    wide = contents.layout.bits == 64  # noqa: PLR2004 - bits
    shift, mask = (32, (1 << 32) - 1) if wide else (8, 255)
    named: set[int] = set()
    copied: set[int] = set()
    for start, length, form in _TABLES:
        kind = form or dynamic.get(_DT_PLTREL, [_RELA])[0]
        size = dynamic.get(length, [0])[0]
        if start not in dynamic or not size:
            continue
        if size > _MAX_TABLE:
            raise contents.broken(f"relocations of {size} bytes (expected at most {_MAX_TABLE})")
        words = array("Q" if wide else "I")
        columns = 3 if kind == _RELA else 2
        size -= size % (columns * words.itemsize)
        words.frombytes(contents.bytes_at(contents.place(dynamic[start][0], "relocations"), size, "relocations"))
        if contents.order != _NATIVE:
            words.byteswap()
        # Most relocations refer to no symbol, and have the same second word.
        for info in set(words[1::columns]):
            if info & mask and info >> shift:
                (copied if info & mask == _COPY.get(contents.machine) else named).add(info >> shift)
    if len(named) + len(copied) > _MAX_SYMBOLS:
        raise contents.broken(f"relocations of more than {_MAX_SYMBOLS} symbols")
    return named, copied


_NATIVE: Final = "<" if array("H", b"\1\0")[0] == 1 else ">"


def _hashed(contents: ElfContents, dynamic: Mapping[int, list[int]]) -> tuple[int, int, bytes]:
    """Return the numbers of the first symbol that a look-up finds and of the end, and the versions between them."""
    if _DT_GNU_HASH in dynamic:
        first, end = _gnu_hashed(contents, contents.place(dynamic[_DT_GNU_HASH][0], "hash table"))
    elif _DT_HASH in dynamic:
        # s390x alone has 64-bit words here.
        form = "8xQ" if (contents.machine, contents.layout.bits) == (_EM_S390, 64) else "4xI"
        first, end = 0, contents.struct_at(form, contents.place(dynamic[_DT_HASH][0], "hash table"), "hash table")[0]
    else:
        first = end = 0
    if end - first > _MAX_SYMBOLS:
        raise contents.broken(f"{end - first} symbols (expected at most {_MAX_SYMBOLS})")
    if _DT_VERSYM not in dynamic or first >= end:
        return first, max(first, end), b""
    place = contents.place(dynamic[_DT_VERSYM][0], "versions of symbols")
    return first, end, contents.bytes_at(place + 2 * first, 2 * (end - first), "versions of symbols")


def _gnu_hashed(contents: ElfContents, place: int) -> tuple[int, int]:
    """Return the numbers of the first symbol of the table at *place* and of the end. A chain ends with an odd hash."""
    buckets, first, words, _ = contents.struct_at("IIII", place, "hash table")
    if buckets > _MAX_SYMBOLS or words > _MAX_SYMBOLS:
        raise contents.broken(f"hash table of {buckets} buckets and {words} words (expected at most {_MAX_SYMBOLS})")
    at = place + 16 + words * contents.layout.bits // 8
    last = max(contents.struct_at(f"{buckets}I", at, "hash table"), default=0)
    if last < first:
        return first, first
    chain = at + 4 * buckets + 4 * (last - first)
    for step in range(_MAX_SYMBOLS):
        if contents.struct_at("I", chain + 4 * step, "hash table")[0] & 1:
            return first, last + step + 1
    raise contents.broken(f"a chain of more than {_MAX_SYMBOLS} symbols in the hash table")
