"""The ELF files and the scripts of a root filesystem, found in one pass.

The pass reads the first bytes of each file, and the rest of ELF files only.
Spec of ``#!`` lines: execve(2), "Interpreter scripts".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_alpine.elf.reader import ElfFile, is_elf, read_elf
from pytest_alpine.errors import FileNotInImage, MalformedImage
from pytest_alpine.rootfs.base import open_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_alpine.rootfs.base import Entry, RootFS

# Bytes of a "#!" line that Linux reads (BINPRM_BUF_SIZE, since 5.1).
_HEAD: Final = 256
_SHEBANG: Final = b"#!"
# The interpreter, and the rest of the line as one argument; Linux drops the blanks around both.
_LINE: Final = re.compile(rb"#![ \t]*([^ \t\0]+)[ \t]*([^\0]*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Binary:
    """One ELF file of a root filesystem."""

    entry: Entry
    elf: ElfFile | None
    """None if the file is broken."""
    problem: str = ""
    """What is broken; empty if nothing is."""

    @property
    def path(self) -> str:
        """The path of the file, without links."""
        return self.entry.path

    @property
    def is_program(self) -> bool:
        """Whether it is meant to be executed: it names a loader, or it is static."""
        return self.elf is not None and (self.elf.interpreter is not None or self.elf.is_static)


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """One file that begins with ``#!``."""

    entry: Entry
    interpreter: str
    """The program that Linux starts for it; empty if the line names none."""
    argument: str
    """The rest of the line: one argument, blanks included."""

    @property
    def path(self) -> str:
        """The path of the file, without links."""
        return self.entry.path


@dataclass(frozen=True)
class Binaries:
    """Every ELF file and script of a root filesystem, by path; a hard link counts as a file of its own."""

    elves: tuple[Binary, ...]
    scripts: tuple[Script, ...]

    @cached_property
    def by_path(self) -> Mapping[str, Binary]:
        """The ELF files by their paths."""
        return {binary.path: binary for binary in self.elves}

    @cached_property
    def script_by_path(self) -> Mapping[str, Script]:
        """The scripts by their paths."""
        return {script.path: script for script in self.scripts}


def read_binaries(rootfs: RootFS, entries: Iterable[Entry]) -> Binaries:
    """Return the ELF files and the scripts among *entries* of *rootfs*."""
    elves, scripts = [], []
    for entry in entries:
        # The kernel's interfaces are not files of an image, and some of them never end.
        if not entry.is_file or not entry.size or entry.path.startswith(("/proc/", "/sys/")):
            continue
        try:
            head = rootfs.read(entry.path, _HEAD)
        except FileNotInImage:  # a running container removed it after the walk
            continue
        if is_elf(head):
            elves.append(_binary(rootfs, entry))
        elif head.startswith(_SHEBANG):
            interpreter, argument = parse_shebang(head)
            scripts.append(Script(entry=entry, interpreter=interpreter, argument=argument))
    return Binaries(elves=tuple(elves), scripts=tuple(scripts))


def parse_shebang(head: bytes) -> tuple[str, str]:
    r"""Return the interpreter and the argument of the ``#!`` line at the start of *head*; both empty if it names none.

    >>> parse_shebang(b"#! /usr/bin/env -S python3 -u\nimport sys")
    ('/usr/bin/env', '-S python3 -u')
    """
    line = _LINE.match(head.partition(b"\n")[0].rstrip(b" \t"))
    if line is None:
        return "", ""
    interpreter, argument = (part.decode("utf-8", "surrogateescape") for part in line.groups())
    return interpreter, argument


def _binary(rootfs: RootFS, entry: Entry) -> Binary:
    try:
        with open_file(rootfs, entry.path) as stream:
            return Binary(entry=entry, elf=read_elf(stream, entry.path))
    except (MalformedImage, FileNotInImage) as error:
        return Binary(entry=entry, elf=None, problem=str(error).partition("broken ELF file: ")[2] or str(error))
