"""musl's own loader as the judge of symbols: official images whose symbols are changed, and what it says."""

from __future__ import annotations

import re
import shutil
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from pytest_alpine import find_runnable
from pytest_alpine.elf.musl_loader import MuslLoader
from pytest_alpine.elf.symbols import read_symbols, unresolved
from tests.property.mutants import Alpine, unpacked
from tests.property.symbol_mutants import mutate_symbols
from tests.property.test_loader_oracle import MUTANTS, image_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_alpine import Image

_NOT_FOUND: Final = re.compile(r"^Error relocating (\S+): (.*): symbol not found$", re.MULTILINE)
# The loader itself is broken where a signal ends it, of which QEMU and bubblewrap make 128 and more.
_CRASHED: Final = re.compile(r"\(exit code (?:-\d+|1[3-9]\d|2\d\d)\)$")

Pairs = set[tuple[str, str]]

pytestmark = [pytest.mark.official, pytest.mark.emulators, pytest.mark.bubblewrap]


def predicted(read: Image, objects: tuple[str, ...], libc: str) -> Pairs:
    """Return the files and the symbols that they do not find when *objects* are loaded, the program first."""
    symbols = [read_symbols(read.rootfs.read(each), each) for each in (*objects, libc)]
    found = unresolved(symbols[:-1], symbols[-1:])
    return {(objects[number], name.decode()) for number, names in found for name in names}


def check(alpine: Alpine, folder: Path, changed: set[str]) -> int | None:
    """Compare each file of *alpine* that loads a *changed* one with what its loader says.

    Return how many fail; None where the loader itself does.
    """
    read = image_of(alpine, folder)
    by_path = read.binaries.by_path
    arch = alpine.platform.machine.loader_arch
    loader = MuslLoader(
        rootfs=read.rootfs, elf_at=lambda path: by_path[path].elf if path in by_path else None, arch=arch
    )
    judge = f"/lib/ld-musl-{arch}.so.1"
    lacking: Pairs = set()
    programs: Pairs = set()
    failing = 0
    for binary in read.binaries.elves:
        objects = loader.load(binary.path).objects
        if binary.path == judge or changed.isdisjoint((*objects, judge)):
            continue
        verdict = alpine.ask_loader(judge, binary.path)
        if _CRASHED.search(verdict.output):
            return None
        told = {(read.rootfs.resolve(path), name) for path, name in _NOT_FOUND.findall(verdict.output)}
        assert predicted(read, objects, judge) == told, f"{binary.path}\n{verdict.output}"
        lacking |= told
        programs |= told if binary.is_program else set()
        failing += bool(told)
        # A program that calls a weak symbol without a definition, or another one than it meant, may crash later.
        if told and binary.is_program and binary.entry.executable:
            assert not alpine.starts(binary.path), f"{binary.path}\n{verdict.output}"
    findings = [finding for finding in find_runnable(read) if finding.expected.startswith("symbol")]
    subjects = {finding.subject.partition(" (")[0] for finding in findings}
    assert {path for path, _ in programs} <= subjects <= {path for path, _ in lacking}, findings
    return failing


@pytest.mark.timeout(120 + 30 * MUTANTS)
@pytest.mark.parametrize(
    ("release", "arch"),
    [("edge", "x86_64"), ("v3.20", "aarch64"), ("v3.20", "s390x"), ("v3.13", "armhf"), ("edge", "riscv64")],
)
def test_changed_symbols(release: str, arch: str, tmp_path: Path) -> None:
    stock = unpacked(tmp_path / "stock", release, arch)
    assert check(stock, tmp_path, set(stock.elves())) == 0
    failing = 0
    for seed in range(MUTANTS):
        folder = tmp_path / str(seed)
        alpine = Alpine(root=folder / "root", platform=stock.platform)
        shutil.copytree(stock.root, alpine.root, symlinks=True)
        told = mutate_symbols(alpine, Random(f"{arch} {seed}"))
        try:
            failing += bool(check(alpine, folder, {text.partition(":")[0] for text in told}))
        except AssertionError as error:
            raise AssertionError(f"{release} {arch}, seed {seed}: {told}\n{error}") from error
        shutil.rmtree(folder)
    assert failing > MUTANTS // 5
