"""Tables of dynamic symbols for ELF files built in code: symbols, a hash table, and relocations."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

DT_HASH, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_STRSZ, DT_REL, DT_RELSZ = 4, 6, 7, 8, 10, 17, 18
DT_VERSYM, DT_GNU_HASH = 0x6FFFFFF0, 0x6FFFFEF5
_COPY = {62: 5, 183: 1024, 22: 9, 40: 20}
_ANY_TYPE = 6
_GLOBAL, _WEAK, _FUNCTION, _TLS = 1, 2, 2, 6
_HIDDEN = 0x8000


@dataclass(frozen=True, kw_only=True, slots=True)
class SymbolTables:
    """The symbols of one file, by their names."""

    needed: tuple[str, ...] = ()
    """Undefined symbols that relocations refer to."""
    unused: tuple[str, ...] = ()
    """Undefined symbols that no relocation refers to."""
    weak: tuple[str, ...] = ()
    """Undefined weak symbols that relocations refer to."""
    copied: tuple[str, ...] = ()
    """Symbols whose data relocations copy, with reserved space."""
    defined: tuple[str, ...] = ()
    thread_local: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    """Symbols that are defined for an old version only."""
    hash_style: Literal["gnu", "sysv", "none"] = "gnu"

    def parts(self, *, wide: bool, order: str, machine: int, add: Callable[[str], int]) -> dict[int, bytes]:
        """Return the tables by the tags of their addresses; *add* adds a name to the string table."""
        undefined = (*self.needed, *self.weak, *self.unused)
        defined = (*self.copied, *self.defined, *self.thread_local, *self.hidden)
        named = {name: number for number, name in enumerate((*undefined, *defined), 1)}
        table = _symbol(0, 0, 0, 0, wide=wide, order=order)
        for name in undefined:
            table += _symbol(add(name), _WEAK if name in self.weak else _GLOBAL, 0, 0, wide=wide, order=order)
        for name in defined:
            kind = _TLS if name in self.thread_local else _FUNCTION
            value = 0 if name in self.thread_local else 0x1000
            table += _symbol(add(name), _GLOBAL << 4 | kind, 1, value, wide=wide, order=order)
        relocations = b"".join(
            _relocation(named[name], kind, wide=wide, order=order)
            for names, kind in (((*self.needed, *self.weak), _ANY_TYPE), (self.copied, _COPY.get(machine, 5)))
            for name in names
        )
        # As in real files, most relocations refer to no symbol.
        relocations += _relocation(0, 8, wide=wide, order=order) * 3
        versions = [1] * (1 + len(named) - len(self.hidden)) + [_HIDDEN | 2] * len(self.hidden)
        parts = {DT_SYMTAB: table, DT_RELA if wide else DT_REL: relocations}
        if self.hidden:
            parts[DT_VERSYM] = struct.pack(f"{order}{len(versions)}H", *versions)
        if self.hash_style == "gnu":
            parts[DT_GNU_HASH] = _gnu_hash(len(undefined) + 1, len(defined), wide=wide, order=order)
        elif self.hash_style == "sysv":
            word = "Q" if (machine, wide) == (22, True) else "I"
            parts[DT_HASH] = struct.pack(f"{order}2{word}", 0, len(named) + 1)
        return parts


def _symbol(  # noqa: PLR0913 - the fields of a symbol
    name: int, info: int, section: int, value: int, *, wide: bool, order: str
) -> bytes:
    if info in {_GLOBAL, _WEAK}:  # an undefined symbol has no type
        info <<= 4
    if wide:
        return struct.pack(f"{order}IBBHQQ", name, info, 0, section, value, 8)
    return struct.pack(f"{order}IIIBBH", name, value, 8, info, 0, section)


def _relocation(symbol: int, kind: int, *, wide: bool, order: str) -> bytes:
    if wide:
        return struct.pack(f"{order}QQq", 0x2000, symbol << 32 | kind, 0)
    return struct.pack(f"{order}II", 0x2000, symbol << 8 | kind & 255)


def _gnu_hash(first: int, count: int, *, wide: bool, order: str) -> bytes:
    """Return a table of one bucket, whose chain has *count* symbols."""
    bloom = struct.pack(f"{order}{'Q' if wide else 'I'}", 0)
    # As binutils write it where nothing is defined.
    first, start = (first, first) if count else (1, 0)
    head = struct.pack(f"{order}IIII", 1, first, 1, 0)
    chain = [2 * number for number in range(max(count - 1, 0))] + [1] * bool(count)
    return head + bloom + struct.pack(f"{order}{1 + len(chain)}I", start, *chain)
