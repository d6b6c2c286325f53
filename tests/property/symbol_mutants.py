"""Root filesystems of Alpine whose dynamic symbols are changed at random: removed, renamed, or made weak."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

if TYPE_CHECKING:
    from random import Random

    from tests.property.mutants import Alpine

# Without these musl's loader does not come to the point where it looks up symbols.
_OF_THE_LOADER: Final = ("__dls", "_dl", "__libc_start", "malloc", "calloc", "realloc", "free", "__malloc")
_WEAK: Final = 2


class SymbolTable:
    """The dynamic symbols of one file, which are written in place."""

    def __init__(self, alpine: Alpine, path: str) -> None:
        self._file = alpine.at(path)
        with self._file.open("rb") as stream:
            elf = ELFFile(stream)
            section = elf.get_section_by_name(".dynsym")
            assert isinstance(section, SymbolTableSection)
            self._order = "<" if elf.little_endian else ">"
            self._wide = elf.elfclass == 64
            self._start, self._size = section["sh_offset"], section["sh_entsize"]
            self.symbols = [(number, symbol.name, symbol.entry) for number, symbol in enumerate(section.iter_symbols())]

    def undefined(self) -> list[int]:
        """Return the numbers of the symbols that others must define."""
        return [
            number
            for number, name, entry in self.symbols
            if name and entry.st_shndx == "SHN_UNDEF" and entry.st_info.bind == "STB_GLOBAL"
        ]

    def defined(self) -> list[int]:
        """Return the numbers of the symbols that are defined here, but for those that the loader itself needs."""
        return [
            number
            for number, name, entry in self.symbols
            if name and entry.st_shndx != "SHN_UNDEF" and not name.startswith(_OF_THE_LOADER)
        ]

    def name(self, number: int) -> str:
        """Return the name of the symbol *number*."""
        return str(self.symbols[number][1])

    def set_name(self, number: int, offset: int) -> None:
        """Let the name of the symbol *number* be the text at *offset* of the string table."""
        self._write(number, 0, struct.pack(f"{self._order}I", offset))

    def rename(self, number: int, by: int) -> None:
        """Leave out the first *by* letters of the name of the symbol *number*."""
        self.set_name(number, self.symbols[number][2].st_name + by)

    def make_weak(self, number: int) -> None:
        """Let the symbol *number* be weak."""
        kind = {"STT_NOTYPE": 0, "STT_OBJECT": 1, "STT_FUNC": 2, "STT_TLS": 6}[self.symbols[number][2].st_info.type]
        self._write(number, 4 if self._wide else 12, bytes([_WEAK << 4 | kind]))

    def _write(self, number: int, offset: int, data: bytes) -> None:
        with self._file.open("r+b") as stream:
            stream.seek(self._start + number * self._size + offset)
            stream.write(data)


def mutate_symbols(alpine: Alpine, random: Random) -> list[str]:
    """Change one to three symbols of *alpine*; tell how."""
    return [_change(alpine, random) for _ in range(random.randint(1, 3))]


def _change(alpine: Alpine, random: Random) -> str:
    path = random.choice(alpine.elves())
    table = SymbolTable(alpine, path)
    way = random.choice(["removed", "renamed", "weak and removed"])
    numbers = table.defined() if way == "removed" else table.undefined()
    if not numbers:
        return "nothing"
    number = random.choice(numbers)
    name = table.name(number)
    if way == "removed":
        table.set_name(number, 0)
    else:
        # The rest of a name is one that hardly anything defines; now and then something does, such as read of pread.
        table.rename(number, random.randrange(1, max(2, len(name) - 1)))
    if way.startswith("weak"):
        table.make_weak(number)
    return f"{path}: {name} {way}"
