"""What can be executed in a root filesystem: every ELF file and every script, found in one pass.

Of each file its first bytes are read, and no more of those that are neither.
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

# How far Linux looks for the end of a "#!" line (BINPRM_BUF_SIZE, since 5.1).
_HEAD: Final = 256
_SHEBANG: Final = b"#!"
# The interpreter, and all that follows it as one argument; Linux drops the blanks around both.
_LINE: Final = re.compile(rb"#![ \t]*([^ \t\0]+)[ \t]*([^\0]*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Binary:
    """One ELF file of a root filesystem."""

    entry: Entry
    elf: ElfFile | None
    """None where the file is broken."""
    problem: str = ""
    """What is broken."""

    @property
    def path(self) -> str:
        """Where it stands, without links."""
        return self.entry.path

    @property
    def is_program(self) -> bool:
        """Whether it is meant to be executed: it asks for a loader, or needs none."""
        return self.elf is not None and (self.elf.interpreter is not None or self.elf.is_static)


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """One file that begins with ``#!``."""

    entry: Entry
    interpreter: str
    """The program that Linux starts for it; empty where the line names none."""
    argument: str
    """Whatever follows on the line: one argument, blanks and all."""

    @property
    def path(self) -> str:
        """Where it stands, without links."""
        return self.entry.path


@dataclass(frozen=True)
class Binaries:
    """Every ELF file and script of a root filesystem, by path; a hard link counts as a file of its own."""

    elves: tuple[Binary, ...]
    scripts: tuple[Script, ...]

    @cached_property
    def by_path(self) -> Mapping[str, Binary]:
        """The ELF files by the path at which they stand."""
        return {binary.path: binary for binary in self.elves}

    @cached_property
    def script_by_path(self) -> Mapping[str, Script]:
        """The scripts by the path at which they stand."""
        return {script.path: script for script in self.scripts}


def read_binaries(rootfs: RootFS, entries: Iterable[Entry]) -> Binaries:
    """Return what can be executed among *entries* of *rootfs*."""
    elves, scripts = [], []
    for entry in entries:
        # Kernel interfaces are no files of an image, and some of them never end.
        if not entry.is_file or not entry.size or entry.path.startswith(("/proc/", "/sys/")):
            continue
        try:
            head = rootfs.read(entry.path, _HEAD)
        except FileNotInImage:  # of a running container, since the walk
            continue
        if is_elf(head):
            elves.append(_binary(rootfs, entry))
        elif head.startswith(_SHEBANG):
            interpreter, argument = parse_shebang(head)
            scripts.append(Script(entry=entry, interpreter=interpreter, argument=argument))
    return Binaries(elves=tuple(elves), scripts=tuple(scripts))


def parse_shebang(head: bytes) -> tuple[str, str]:
    r"""Return interpreter and argument of the ``#!`` line that *head* begins with; empty where it names none.

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
