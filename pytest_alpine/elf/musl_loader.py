"""musl's loader: the libraries that it finds for a program, and those that it does not find.

Spec: musl's manual ("Dynamic linker", https://musl.libc.org/doc/1.1.24/manual.html) and its ``ldso/dynlink.c``.
It differs from glibc's loader: a library is also searched in the run paths of all objects that led to it, DT_RPATH or
DT_RUNPATH; the first file with the name is used, even if it is for another machine; there is no cache; and some names
always mean musl itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from pytest_alpine.errors import FileNotInImage, MalformedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_alpine.elf.reader import ElfFile
    from pytest_alpine.rootfs.base import Entry, RootFS

# Names that mean musl itself, whatever follows the dot: also glibc's libm.so.6.
_ITSELF: Final = re.compile(r"lib(?:c|pthread|rt|m|dl|util|xnet)\.")
_ORIGIN: Final = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})")
_SEPARATOR: Final = re.compile(r"[:\n]+")
SYSTEM_PATH: Final = ("/lib", "/usr/local/lib", "/usr/lib")
"""The directories that are searched last, unless ``/etc/ld-musl-ARCH.path`` replaces them."""

# Bytes of the loader's buffer for a path; it skips longer ones.
_LONGEST: Final = 2 * 255 + 2
_LIMIT: Final = 1 << 16
# Without a limit, many libraries that need each other would keep the search busy for long.
_MAX_OBJECTS: Final = 4096
# Ten thousand programs, forty libraries each, five directories. Without a limit, a small file with many directories
# and one with many needed libraries would keep the search busy for days.
_MAX_PLACES: Final = 2_000_000
_KEPT: Final = 100_000

Problem = Literal["missing", "no library", "another machine"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A library that the loader does not find, or finds and cannot use."""

    name: str
    """The name in DT_NEEDED."""
    needed_by: str
    """The path, without links, of the file that needs it."""
    problem: Problem
    """``no library``: the first file with the name is not a loadable ELF file, and musl searches no further."""
    found: str | None
    """The path of the file that was found, or None."""
    searched: tuple[str, ...]
    """The directories that were searched, in order."""


@dataclass(eq=False, kw_only=True, slots=True)
class _Object:
    """A loaded program or library."""

    name: str
    """The path that was opened; ``$ORIGIN`` is its directory."""
    real: str
    elf: ElfFile
    needed_by: _Object | None = None

    def run_path(self) -> tuple[str, ...]:
        """Return the directories of its run path; DT_RUNPATH hides DT_RPATH."""
        text = self.elf.rpath if self.elf.runpath is None else self.elf.runpath
        if not text or len(_ORIGIN.findall(text)) != text.count("$"):
            return ()  # musl ignores the whole path if it contains any other variable
        origin = self.name.rpartition("/")[0]
        return _directories(_ORIGIN.sub(lambda _: origin, text))


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The result of loading one program or library."""

    objects: tuple[str, ...]
    """The paths of the loaded files, without links; the program or library itself is the first."""
    missing: tuple[Missing, ...]


@dataclass(frozen=True, kw_only=True)
class MuslLoader:
    """musl's loader in one root filesystem."""

    rootfs: RootFS
    elf_at: Callable[[str], ElfFile | None]
    """Returns the ELF file at a path without links; None if the file is not ELF, or is broken."""
    arch: str
    """The architecture as musl calls it, as in ``ld-musl-NAME.so.1``."""
    library_path: str = ""
    """LD_LIBRARY_PATH."""
    _entries: dict[str, Entry | None] = field(default_factory=dict)
    _looked: list[int] = field(default_factory=lambda: [0])
    _system_paths: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def load(self, path: str, interpreter: str | None = None) -> Loaded:
        """Return what musl loads for the ELF file at *path*, as ``ldd`` would show it.

        Args:
            path: the path of the file, without links.
            interpreter: the path of musl's loader; ``/lib/ld-musl-ARCH.so.1`` when None. From
                ``PREFIX/lib/ld-musl-ARCH.so.1``, the loader reads ``PREFIX/etc/ld-musl-ARCH.path``.

        Raises:
            MalformedImage: the search has more paths to try than any ordinary image needs.
        """
        elf = self.elf_at(path)
        if elf is None:
            return Loaded(objects=(), missing=())
        loading = _Loading(self, interpreter or f"/lib/ld-musl-{self.arch}.so.1")
        return loading.run(_Object(name=path, real=path, elf=elf))

    def entry_at(self, path: str) -> Entry | None:
        """Return what *path* leads to, or None."""
        if path in self._entries:
            return self._entries[path]
        try:
            found = self.rootfs.stat(path)
        except FileNotInImage:
            found = None
        if len(self._entries) < _KEPT:
            self._entries[path] = found
        return found

    def count(self, places: int, needer: str) -> None:
        """Add *places*, the number of paths that are tried for a library of *needer*, to the total.

        Raises:
            MalformedImage: the total is too large.
        """
        self._looked[0] += places
        if self._looked[0] > _MAX_PLACES:
            raise MalformedImage(f"{needer}: the search for libraries tries more than {_MAX_PLACES} paths")

    def system_path(self, interpreter: str) -> tuple[str, ...]:
        """Return the directories that are searched last."""
        # From PREFIX/lib/ld-musl-ARCH.so.1 to PREFIX/etc/ld-musl-ARCH.path.
        prefix = interpreter.rpartition("/")[0].rpartition("/")[0]
        path = f"{prefix}/etc/ld-musl-{self.arch}.path"
        if path not in self._system_paths:
            self._system_paths[path] = self._read_path(path)
        return self._system_paths[path]

    def _read_path(self, path: str) -> tuple[str, ...]:
        if self.entry_at(path) is None:
            return SYSTEM_PATH
        try:
            text = self.rootfs.read(path, _LIMIT)
        except FileNotInImage:  # a directory can be opened, but not read
            return ()
        return _directories(text.partition(b"\0")[0].decode("utf-8", "surrogateescape"))


class _Loading:
    """Loads one program: breadth first, each library once."""

    def __init__(self, loader: MuslLoader, interpreter: str) -> None:
        self._loader = loader
        self._interpreter = interpreter
        self._by_name: dict[str, _Object] = {}
        self._by_file: dict[str, _Object] = {}
        self._queue: list[_Object] = []
        self._missing: list[Missing] = []

    def run(self, program: _Object) -> Loaded:
        """Load *program* and the libraries that it needs, directly and indirectly."""
        self._queue.append(program)
        self._by_file[program.real] = program
        for needer in self._queue:  # _need appends to it
            for name in needer.elf.needed:
                if not _ITSELF.match(name) and name != self._interpreter and len(self._queue) < _MAX_OBJECTS:
                    self._need(name, needer)
        return Loaded(objects=tuple(loaded.real for loaded in self._queue), missing=tuple(self._missing))

    def _need(self, name: str, needer: _Object) -> None:
        if name in self._by_name:
            return
        directories = () if "/" in name else tuple(dict.fromkeys(self._directories(needer)))
        self._loader.count(1 + len(directories), needer.real)
        path, entry = self._find(name, directories)
        if entry is not None and entry.path in self._by_file:
            if "/" not in name:
                self._by_name[name] = self._by_file[entry.path]
            return
        elf = self._loader.elf_at(entry.path) if entry is not None else None
        problem = self._problem(entry, elf, needer.elf)
        if problem is not None or entry is None or elf is None:
            self._missing.append(
                Missing(
                    name=name,
                    needed_by=needer.real,
                    problem=problem or "missing",
                    found=entry.path if entry is not None else None,
                    searched=directories,
                )
            )
            return
        if elf.soname is not None and elf.soname.startswith("libc."):
            return  # a C library under another name: musl uses itself instead, so that there is only one
        found = _Object(name=path, real=entry.path, elf=elf, needed_by=needer)
        self._by_file[entry.path] = found
        if "/" not in name:
            self._by_name[name] = found
        self._queue.append(found)

    def _find(self, name: str, directories: tuple[str, ...]) -> tuple[str, Entry | None]:
        """Return the first path that exists, and its entry: musl opens that file, whatever it is."""
        places = [name] if "/" in name else [f"{directory}/{name}" for directory in directories]
        for place in places:
            # Relative names start at the working directory of the program, which is "/" here.
            entry = self._loader.entry_at(place) if name and len(place.encode(errors="replace")) < _LONGEST else None
            if entry is not None:
                return place, entry
        return name, None

    def _directories(self, needer: _Object) -> Iterator[str]:
        yield from _directories(self._loader.library_path)
        ancestor: _Object | None = needer
        while ancestor is not None:
            yield from ancestor.run_path()
            ancestor = ancestor.needed_by
        yield from self._loader.system_path(self._interpreter)

    @staticmethod
    def _problem(entry: Entry | None, elf: ElfFile | None, needer: ElfFile) -> Problem | None:
        if entry is None:
            return "missing"
        if elf is None or elf.type not in {2, 3}:
            return "no library"
        return None if elf.form == needer.form else "another machine"


def _directories(text: str) -> tuple[str, ...]:
    return tuple(part for part in _SEPARATOR.split(text) if part)
