"""musl's own loader as the judge of what ``assert_runnable`` says, on official images that are broken at random."""

from __future__ import annotations

import os
import shutil
from random import Random
from typing import TYPE_CHECKING

import pytest

from pytest_alpine import find_runnable, open_image
from pytest_alpine.checks.subjects import same_machine
from pytest_alpine.elf.musl_loader import MuslLoader
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from tests.property.mutants import Alpine, mutate, unpacked
from tests.support.images import image, write_oci_layout
from tests.support.mirror import TARBALLS, tarball_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_alpine import Image
    from pytest_alpine.elf.reader import ElfFile
    from pytest_alpine.facts.binaries import Binary

MUTANTS = int(os.environ.get("PYTEST_ALPINE_MUTANTS", "12"))
"""How many per architecture: some are enough to see a difference, hundreds to trust that there is none."""

pytestmark = [
    pytest.mark.official,
    pytest.mark.emulators,
    pytest.mark.bubblewrap,
]


def image_of(alpine: Alpine, folder: Path) -> Image:
    built = image(alpine.tar(), platform=str(alpine.platform), compression="plain", config={"Cmd": ["/bin/sh"]})
    write_oci_layout(folder / "layout", {"1": [built]})
    return open_image(f"oci:{folder}/layout:1", alpine.platform, access=Access(Store(folder / "store")))


def own(read: Image, alpine: Alpine) -> Iterator[tuple[Binary, ElfFile]]:
    """Yield the ELF files for the machine itself."""
    judge = alpine.elves("*ld-*musl*.so.1") + alpine.elves("ld-renamed.so.1")
    header = read.binaries.by_path[judge[0]].elf
    assert header is not None
    for binary in read.binaries.elves:
        if binary.elf is not None and same_machine(binary.elf, header) and binary.path not in judge:
            yield binary, binary.elf


def check(alpine: Alpine, folder: Path) -> int:
    """Compare every file of *alpine* with what its loader says, and return how many of them fail."""
    read = image_of(alpine, folder)
    by_path = read.binaries.by_path
    arch = alpine.platform.machine.loader_arch
    loader = MuslLoader(
        rootfs=read.rootfs, elf_at=lambda path: by_path[path].elf if path in by_path else None, arch=arch
    )
    usual = f"/lib/ld-musl-{arch}.so.1"
    judge = usual if alpine.at(usual).exists() else "/lib/ld-renamed.so.1"
    broken, lacking = set(), set()
    brought: set[str] = set()
    for binary, elf in own(read, alpine):
        found, verdict = loader.load(binary.path, elf.interpreter or judge), alpine.ask_loader(judge, binary.path)
        missing = {(each.name, each.needed_by) for each in found.missing if each.problem != "another machine"}
        foreign = [each for each in found.missing if each.problem == "another machine"]
        assert verdict.works is not bool(found.missing), f"{binary.path}\n{found}\n{verdict.output}"
        if not foreign:  # a library for another machine is mapped, and what comes then is chance
            resolved = {(name, read.rootfs.resolve(needed_by)) for name, needed_by in verdict.lacking}
            assert missing == resolved, f"{binary.path}\n{found}\n{verdict.output}"
            opened = (binary.path, *map(read.rootfs.resolve, verdict.loaded))
            assert found.objects == opened, f"{binary.path}\n{found}\n{verdict.output}"
        brought.update(found.objects[1:])
        lacking |= missing | {(each.name, each.needed_by) for each in foreign}
        has_loader = elf.interpreter is None or alpine.at(elf.interpreter).exists()
        if found.missing or not has_loader:
            broken.add(binary.path)
        if binary.is_program and binary.entry.executable:
            assert alpine.starts(binary.path) is (binary.path not in broken), f"{binary.path}\n{found}"
    told = [finding for finding in find_runnable(read) if finding.subject.startswith("/")]
    strangers = [binary for binary in read.binaries.elves if binary.elf is not None and binary.elf.interpreter]
    strange = {binary.path for binary in strangers} - {binary.path for binary, _ in own(read, alpine)}
    for finding in told:
        path = finding.subject.partition(" (")[0]
        name = finding.expected.removeprefix("library ").partition(" in ")[0]
        assert (name, path) in lacking or path in broken | strange, finding
    # A library that another one brings may not work alone: it inherits run paths.
    assert bool(told) >= bool(broken - brought | strange)
    for path in strange:
        assert not alpine.starts(path)
        assert any(finding.subject.startswith(f"{path} (") for finding in told), path
    return len(broken)


@pytest.mark.parametrize("tarball", TARBALLS, ids=tarball_id)
def test_stock_images(tarball: Path, tmp_path: Path) -> None:
    release, arch = tarball_id(tarball).split("-", 1)
    assert check(unpacked(tmp_path / "root", release, arch), tmp_path) == 0


@pytest.mark.timeout(60 + 30 * MUTANTS)
@pytest.mark.parametrize(("arch", "other"), [("x86_64", "aarch64"), ("aarch64", "s390x"), ("armhf", "x86_64")])
def test_broken_images(arch: str, other: str, tmp_path: Path) -> None:
    stranger = unpacked(tmp_path / "other", "edge", other)
    stock = unpacked(tmp_path / "stock", "v3.20", arch)
    failing = 0
    for seed in range(MUTANTS):
        folder = tmp_path / str(seed)
        alpine = Alpine(root=folder / "root", platform=stock.platform)
        shutil.copytree(stock.root, alpine.root, symlinks=True)
        told = mutate(alpine, stranger, Random(seed))
        try:
            failing += check(alpine, folder) > 0
        except AssertionError as error:
            raise AssertionError(f"{arch}, seed {seed}: {told}\n{error}") from error
        shutil.rmtree(folder)
    assert MUTANTS > failing > MUTANTS // 3
