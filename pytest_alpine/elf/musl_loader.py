"""Where musl's loader finds the libraries of a program, or why it does not.

Spec: musl's manual ("Dynamic linker", https://musl.libc.org/doc/1.1.24/manual.html) and its ``ldso/dynlink.c``.
It differs from glibc's: run paths are inherited from all who need a library, whether DT_RPATH or DT_RUNPATH; the first
file of the name is taken, whatever machine it is for; there is no cache; and some names always mean musl itself.
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

# Names that mean musl itself, as long as something follows the dot: libm.so.6 of glibc too.
_ITSELF: Final = re.compile(r"lib(?:c|pthread|rt|m|dl|util|xnet)\.")
_ORIGIN: Final = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})")
_SEPARATOR: Final = re.compile(r"[:\n]+")
SYSTEM_PATH: Final = ("/lib", "/usr/local/lib", "/usr/lib")
"""Where every library is looked for at last, unless ``/etc/ld-musl-ARCH.path`` says otherwise."""

# The loader's buffer for a path that it tries; longer ones are passed over.
_LONGEST: Final = 2 * 255 + 2
_LIMIT: Final = 1 << 16
# A loader that is given libraries which need each other in ever new ways would go on for long.
_MAX_OBJECTS: Final = 4096
# Ten thousand programs, forty libraries each, five directories. Without a limit, a file of directories and one of
# needs, small as they are, would keep their reader busy for days.
_MAX_PLACES: Final = 2_000_000
_KEPT: Final = 100_000

Problem = Literal["missing", "no library", "another machine"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A library that the loader does not find, or finds and cannot use."""

    name: str
    """As DT_NEEDED has it."""
    needed_by: str
    """The file that needs it, without links."""
    problem: Problem
    """``no library``: the first file of that name is no ELF file that can be loaded, and musl looks no further."""
    found: str | None
    """The file that was found."""
    searched: tuple[str, ...]
    """The directories in which it was looked for, in their order."""


@dataclass(eq=False, kw_only=True, slots=True)
class _Object:
    """A program or library as it is being loaded."""

    name: str
    """The path by which it was opened; ``$ORIGIN`` is its directory."""
    real: str
    elf: ElfFile
    needed_by: _Object | None = None

    def run_path(self) -> tuple[str, ...]:
        """Return the directories of its run path; DT_RUNPATH hides DT_RPATH."""
        text = self.elf.rpath if self.elf.runpath is None else self.elf.runpath
        if not text or len(_ORIGIN.findall(text)) != text.count("$"):
            return ()  # any other word behind a $ makes musl ignore the whole path
        origin = self.name.rpartition("/")[0]
        return _directories(_ORIGIN.sub(lambda _: origin, text))


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What the loader makes of one program or library."""

    objects: tuple[str, ...]
    """The files that are loaded, itself first, without links."""
    missing: tuple[Missing, ...]


@dataclass(frozen=True, kw_only=True)
class MuslLoader:
    """musl's loader in one root filesystem."""

    rootfs: RootFS
    elf_at: Callable[[str], ElfFile | None]
    """Returns the ELF file at a path without links; None where the file there is something else, or broken."""
    arch: str
    """The loader's name of the machine, as in ``ld-musl-NAME.so.1``."""
    library_path: str = ""
    """LD_LIBRARY_PATH."""
    _entries: dict[str, Entry | None] = field(default_factory=dict)
    _looked: list[int] = field(default_factory=lambda: [0])
    _system_paths: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def load(self, path: str, interpreter: str | None = None) -> Loaded:
        """Return what is loaded for the ELF file at *path*, as ``ldd`` would tell it.

        Args:
            path: the file, without links.
            interpreter: the name by which musl's loader is started; the usual one when None. Its own folder decides
                where ``etc/ld-musl-ARCH.path`` is looked for.

        Raises:
            MalformedImage: libraries are to be looked for in more places than any honest image has.
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
        """Count *places* in which a library of *needer* may be looked for.

        Raises:
            MalformedImage: there are too many by now.
        """
        self._looked[0] += places
        if self._looked[0] > _MAX_PLACES:
            raise MalformedImage(f"{needer}: libraries are to be looked for in more than {_MAX_PLACES} places")

    def system_path(self, interpreter: str) -> tuple[str, ...]:
        """Return the directories in which every library is looked for at last."""
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
        except FileNotInImage:  # a folder: it can be opened, and nothing can be read of it
            return ()
        return _directories(text.partition(b"\0")[0].decode("utf-8", "surrogateescape"))


class _Loading:
    """The loading of one program: breadth first, each library once."""

    def __init__(self, loader: MuslLoader, interpreter: str) -> None:
        self._loader = loader
        self._interpreter = interpreter
        self._by_name: dict[str, _Object] = {}
        self._by_file: dict[str, _Object] = {}
        self._queue: list[_Object] = []
        self._missing: list[Missing] = []

    def run(self, program: _Object) -> Loaded:
        """Load *program* and all that it needs."""
        self._queue.append(program)
        self._by_file[program.real] = program
        for needer in self._queue:  # grows while it is walked
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
            return  # a C library under whatever name: musl takes itself instead, lest there be two of them
        found = _Object(name=path, real=entry.path, elf=elf, needed_by=needer)
        self._by_file[entry.path] = found
        if "/" not in name:
            self._by_name[name] = found
        self._queue.append(found)

    def _find(self, name: str, directories: tuple[str, ...]) -> tuple[str, Entry | None]:
        """Return the first place where something is called *name*: that is what musl opens, whatever it is."""
        places = [name] if "/" in name else [f"{directory}/{name}" for directory in directories]
        for place in places:
            # Relative names are looked for in the directory in which a program is started: "/" unless told otherwise.
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
