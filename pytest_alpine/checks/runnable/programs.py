"""Whether ELF files can be started: their machine, their loader, and the libraries that they need."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from pytest_alpine.checks.runnable.providers import GCOMPAT, for_library, for_loader
from pytest_alpine.checks.runnable.symbols import SymbolFinder
from pytest_alpine.checks.subjects import BUILT_FOR_MUSL, built_for_glibc, machine_name, same_machine
from pytest_alpine.elf.musl_loader import SYSTEM_PATH, Loaded, Missing, MuslLoader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.runnable.view import View
    from pytest_alpine.elf.reader import ElfFile
    from pytest_alpine.facts.binaries import Binary

_ET_EXEC: Final = 2
_ET_DYN: Final = 3

Rules = Literal["musl", "gcompat", "glibc", "none"]


def find_programs(view: View) -> Iterator[Finding]:
    """Yield why programs and libraries of *view* cannot be loaded."""
    programs: list[tuple[Binary, ElfFile]] = []
    libraries: list[tuple[Binary, ElfFile]] = []
    for binary in view.binaries.elves:
        if view.is_foreign(binary.path):
            continue
        if binary.elf is None:
            yield from _broken(view, binary)
        elif not view.runs(binary.elf):
            yield from _another_machine(view, binary, binary.elf)
        elif binary.elf.type in {_ET_EXEC, _ET_DYN}:
            (programs if binary.is_program else libraries).append((binary, binary.elf))
    yield from _Linking(view).findings(programs, libraries)


def _broken(view: View, binary: Binary) -> Iterator[Finding]:
    # Data may begin like an ELF file. A file to be executed has execute bits, and one to be loaded is named ``.so``.
    if binary.entry.executable or ".so" in binary.path.rpartition("/")[2]:
        yield view.finding(view.snapshot.named(binary.path), "an ELF file", f"a broken one: {binary.problem}")


def _another_machine(view: View, binary: Binary, elf: ElfFile) -> Iterator[Finding]:
    if binary.is_program and binary.entry.executable:
        expected = f"a program for {view.snapshot.platform}"
        yield view.finding(view.snapshot.named(binary.path), expected, f"one for {machine_name(elf)}")


class _Linking:
    """Finds what programs and libraries lack when they are loaded."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._by_path = view.binaries.by_path
        self._loader = MuslLoader(
            rootfs=view.rootfs,
            elf_at=self._elf_at,
            arch=view.snapshot.platform.machine.loader_arch,
            library_path=view.config.env.get("LD_LIBRARY_PATH", ""),
        )
        self._symbols = SymbolFinder(view)
        self._told: set[tuple[str, str]] = set()

    def findings(
        self, programs: Iterable[tuple[Binary, ElfFile]], libraries: Iterable[tuple[Binary, ElfFile]]
    ) -> Iterator[Finding]:
        """Yield what *programs* and *libraries* need and do not find."""
        covered: set[str] = set()
        for binary, elf in programs:
            if elf.interpreter is None:
                continue  # a static program needs nothing
            yield from self._interpreter(binary, elf, elf.interpreter)
            rules = self._rules(elf.interpreter)
            if rules in {"glibc", "none"}:
                continue  # glibc's loader has other search paths; without a loader, nothing is loaded
            loaded = self._loader.load(binary.path, elf.interpreter if rules == "musl" else None)
            covered.update(loaded.objects)
            yield from self._loaded(binary, loaded)
            yield from self._glibc(loaded.objects, compatible=rules == "gcompat")
            if rules == "musl" and not loaded.missing:
                yield from self._symbols.of_program(loaded.objects, elf.interpreter)
        # A glibc beside musl loads what was built for glibc, and has other search paths.
        glibc = self._view.snapshot.facts.libc.of_kind("glibc") is not None
        libraries = [(binary, elf) for binary, elf in libraries if not (glibc and elf.glibc_versions)]
        plugins = []
        for binary, loaded in self._roots([binary for binary, _ in libraries if binary.path not in covered]):
            yield from self._loaded(binary, replace(loaded, missing=tuple(self._not_private(loaded.missing))))
            yield from self._glibc(loaded.objects, compatible=glibc or self._view.snapshot.facts.libc.gcompat)
            plugins += [loaded.objects] * (not loaded.missing)
        yield from self._symbols.of_plugins(plugins)

    def _elf_at(self, path: str) -> ElfFile | None:
        binary = self._by_path.get(path)
        return binary.elf if binary is not None else None

    def _roots(self, libraries: list[Binary]) -> Iterator[tuple[Binary, Loaded]]:
        """Yield the libraries that no other library needs, and what each loads: programs may load these by name.

        A library that another one needs also searches the run path of that one, so it is not looked at alone.
        """
        loads = {binary.path: self._loader.load(binary.path) for binary in libraries}
        needed = {path for loaded in loads.values() for path in loaded.objects[1:]}
        covered: set[str] = set()
        # Libraries that need each other in a ring come last, unless another one has loaded them.
        for binary in sorted(libraries, key=lambda binary: binary.path in needed):
            if binary.path not in covered:
                covered.update(loads[binary.path].objects)
                yield binary, loads[binary.path]

    def _not_private(self, found: Iterable[Missing]) -> Iterator[Missing]:
        """Yield what is missing, without the libraries in a private folder of the same source package.

        The package's own programs make sure that such a library is found, as Java does with its virtual machine.
        """
        for missing in found:
            owner = self._view.snapshot.owner(missing.needed_by)
            if owner is None or (owner.origin or owner.name, missing.name) not in self._private:
                yield missing

    @cached_property
    def _private(self) -> set[tuple[str, str]]:
        """Source package and name of each library that a package has in a folder of its own."""
        return {
            (package.origin or package.name, name)
            for package in self._view.snapshot.packages.values()
            for folder, name in (posixpath.split(file.path) for file in package.files)
            if ".so" in name and folder not in SYSTEM_PATH and self._view.snapshot.entry(f"{folder}/{name}") is not None
        }

    def _rules(self, interpreter: str) -> Rules:
        """Return whose rules the loader that a program asks for by the path *interpreter* follows."""
        found = self._view.snapshot.entry(interpreter)
        if found is None:
            return "none"
        kinds = [loader.kind for loader in self._view.snapshot.facts.libc.loaders if loader.real == found.path]
        is_musl_name = "/ld-musl-" in interpreter
        if not kinds:  # a loader in an unusual place goes by its name
            return "musl" if is_musl_name else "glibc"
        if "musl" not in kinds:
            return kinds[0]
        # libc6-compat links the path of glibc's loader to musl's: a program that asks for that path is one of glibc.
        return "musl" if is_musl_name else "gcompat"

    def _interpreter(self, binary: Binary, elf: ElfFile, interpreter: str) -> Iterator[Finding]:
        view = self._view
        subject, expected = view.snapshot.named(binary.path), f"the program loader {interpreter}"
        problem = view.not_executable(interpreter)
        if problem:
            yield view.finding(subject, expected, problem, for_loader(view, interpreter))
            return
        found = self._elf_at(view.rootfs.resolve(interpreter))
        if found is None:
            yield view.finding(subject, expected, "a file that is no ELF file", for_loader(view, interpreter))
        elif not same_machine(found, elf):
            yield view.finding(subject, expected, f"one for {machine_name(found)}")

    def _loaded(self, binary: Binary, loaded: Loaded) -> Iterator[Finding]:
        for missing in loaded.missing:
            if (missing.needed_by, missing.name) not in self._told:
                self._told.add((missing.needed_by, missing.name))
                yield self._missing(binary, missing)

    def _missing(self, binary: Binary, missing: Missing) -> Finding:
        view = self._view
        where = f" in {':'.join(missing.searched) or 'no directory'}" if "/" not in missing.name else ""
        loaded = f", loaded by {binary.path}" if missing.needed_by != binary.path else ""
        actual, hint = "nothing", for_library(view, missing.name)
        if missing.problem == "no library":
            actual = f"{missing.found}, which is no library"
        elif missing.found is not None:
            found = self._elf_at(missing.found)
            machine = machine_name(found) if found is not None else "another machine"
            actual, hint = f"{missing.found} for {machine}", "musl takes the first file of that name"
        subject = f"{view.snapshot.named(missing.needed_by)}{loaded}"
        return view.finding(subject, f"library {missing.name}{where}", actual, hint)

    def _glibc(self, objects: Iterable[str], *, compatible: bool) -> Iterator[Finding]:
        for path in objects:
            elf = self._elf_at(path)
            if elf is not None and elf.glibc_versions and not compatible and (path, "") not in self._told:
                self._told.add((path, ""))
                subject = self._view.snapshot.named(path)
                yield self._view.finding(subject, BUILT_FOR_MUSL, built_for_glibc(elf), GCOMPAT)
