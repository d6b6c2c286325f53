"""Whether the symbols that programs and libraries need are defined: else musl says "Error relocating ...".

A program fails at its start where one symbol is missing. A library that no program loads by itself is a plugin: what it
needs may come from the program that opens it (dlopen), so that only a symbol that no file of the image defines is told.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pytest_alpine.elf.musl_loader import SYSTEM_PATH
from pytest_alpine.elf.symbols import Symbols, read_symbols, unresolved
from pytest_alpine.errors import FileNotInImage, MalformedImage
from pytest_alpine.quoting import visible
from pytest_alpine.rootfs.base import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.runnable.view import View

# The symbols of how many files are kept at once: some 100 bytes for each symbol.
_KEPT: Final = 256
_SHOWN: Final = 3
_LONGEST: Final = 80
_SEPARATOR: Final = re.compile(r"[:\s]+")
_HINT: Final = "built with another version of what it loads, or of musl"


class SymbolFinder:
    """The symbols of the files of one image."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._by_path = view.binaries.by_path
        self._symbols = lru_cache(_KEPT)(self._read)
        self._told: set[tuple[str, bytes]] = set()

    def of_program(self, objects: Sequence[str], interpreter: str) -> Iterator[Finding]:
        """Yield which symbols a program does not find.

        Args:
            objects: the files that are loaded for it, itself first, without links.
            interpreter: the name of its loader, which is musl itself.
        """
        for path, names in self._unresolved(objects, interpreter):
            definer = self._definer(min(names), objects)
            hint = f"{self._view.snapshot.named(definer)} defines it, and is not loaded" if definer else _HINT
            yield from self._finding(path, names, objects[0], hint)

    def of_plugins(self, plugins: Sequence[Sequence[str]]) -> Iterator[Finding]:
        """Yield which symbols of *plugins* no file of the image defines.

        Args:
            plugins: for each, the files that are loaded for it, itself first, without links.
        """
        loader = f"/lib/ld-musl-{self._view.snapshot.platform.machine.loader_arch}.so.1"
        lacking = [(objects[0], *found) for objects in plugins for found in self._unresolved(objects, loader)]
        wanted: set[bytes] = set().union(*(names for *_, names in lacking))
        for path in self._by_path:
            if not wanted:
                return
            found = self._symbols(path)
            wanted -= found.defined if found is not None else frozenset()
        for plugin, path, names in lacking:
            yield from self._finding(path, names & wanted, plugin, _HINT)

    def _unresolved(self, objects: Sequence[str], interpreter: str) -> Iterator[tuple[str, frozenset[bytes]]]:
        """Yield the files of *objects* with the symbols they do not find; nothing where not all files can be read."""
        entry = self._view.snapshot.entry(interpreter)
        if entry is None or not self._is_one_kind([*objects, entry.path]):
            return
        read = [self._symbols(path) for path in objects]
        scope = [self._symbols(path) for path in (entry.path, *self._preloaded())]
        known = [found for found in (*read, *scope) if found is not None]
        if len(known) == len(read) + len(scope):
            for number, names in unresolved(known[: len(read)], known[len(read) :]):
                yield objects[number], names

    def _is_one_kind(self, paths: Sequence[str]) -> bool:
        """Whether all files are for one machine and for musl: the others are told as such."""
        binaries = [self._by_path.get(path) for path in paths]
        elves = [binary.elf for binary in binaries if binary is not None and binary.elf is not None]
        forms = {elf.form for elf in elves}
        return len(elves) == len(paths) and len(forms) == 1 and not any(elf.glibc_versions for elf in elves)

    def _preloaded(self) -> Iterator[str]:
        for name in filter(None, _SEPARATOR.split(self._view.config.env.get("LD_PRELOAD", ""))):
            places = [name] if "/" in name else [f"{folder}/{name}" for folder in SYSTEM_PATH]
            entry = next(filter(None, map(self._view.snapshot.entry, places)), None)
            if entry is not None:
                yield entry.path

    def _read(self, path: str) -> Symbols | None:
        try:
            with open_file(self._view.rootfs, path) as stream:
                return read_symbols(stream, path)
        except (MalformedImage, FileNotInImage):
            return None

    def _definer(self, name: bytes, loaded: Sequence[str]) -> str | None:
        """Return a file that defines the symbol *name*, but for those that are loaded."""
        for path in sorted(self._by_path.keys() - loaded):
            found = self._symbols(path)
            if found is not None and name in found.defined:
                return path
        return None

    def _finding(self, path: str, names: frozenset[bytes], program: str, hint: str) -> Iterator[Finding]:
        fresh = sorted(name for name in names if (path, name) not in self._told)
        self._told.update((path, name) for name in fresh)
        if fresh:
            loaded = f", loaded by {program}" if program != path else ""
            shown = ", ".join(_shown(name) for name in fresh[:_SHOWN])
            more = f" and {len(fresh) - _SHOWN} more" if len(fresh) > _SHOWN else ""
            expected = f"symbol{'s' if len(fresh) > 1 else ''} {shown}{more} in what is loaded"
            yield self._view.finding(self._view.snapshot.named(path) + loaded, expected, "no definition", hint)


def _shown(name: bytes) -> str:
    text = visible(name.decode("utf-8", "surrogateescape"))
    return text[:_LONGEST] + "..." if len(text) > _LONGEST else text or "''"
