"""The facts of every official root filesystem, as the releases and the ELF specifications have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.elf.arm_attributes import read_arm_attributes
from pytest_alpine.elf.reader import EM_ARM, is_elf, read_elf
from pytest_alpine.facts.libc import read_libc
from pytest_alpine.facts.release import read_release
from pytest_alpine.facts.shell import Shell, read_shell, read_shells
from pytest_alpine.platforms import BY_APK_ARCH
from tests.support import mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_alpine.elf.reader import ElfFile
    from pytest_alpine.rootfs.layers import LayeredRootFS

pytestmark = [
    pytest.mark.skipif(not mirror.TARBALLS, reason="needs the official root filesystems"),
    pytest.mark.parametrize("tarball", mirror.TARBALLS, ids=mirror.tarball_id),
]

# PT_INTERP, soname, e_machine, bits, big-endian, e_flags: read off the binaries by readelf.
ELF = {
    "x86_64": ("/lib/ld-musl-x86_64.so.1", "libc.musl-x86_64.so.1", 62, 64, False, 0),
    "x86": ("/lib/ld-musl-i386.so.1", "libc.musl-x86.so.1", 3, 32, False, 0),
    "armhf": ("/lib/ld-musl-armhf.so.1", "libc.musl-armhf.so.1", 40, 32, False, 0x5000400),
    "armv7": ("/lib/ld-musl-armhf.so.1", "libc.musl-armv7.so.1", 40, 32, False, 0x5000400),
    "aarch64": ("/lib/ld-musl-aarch64.so.1", "libc.musl-aarch64.so.1", 183, 64, False, 0),
    "ppc64le": ("/lib/ld-musl-powerpc64le.so.1", "libc.musl-ppc64le.so.1", 21, 64, False, 0x2),
    "s390x": ("/lib/ld-musl-s390x.so.1", "libc.musl-s390x.so.1", 22, 64, True, 0),
    "riscv64": ("/lib/ld-musl-riscv64.so.1", "libc.musl-riscv64.so.1", 243, 64, False, 0x5),
    "loongarch64": ("/lib/ld-musl-loongarch64.so.1", "libc.musl-loongarch64.so.1", 258, 64, False, 0x43),
}
# Version of the architecture, kinds of VFP; OpenSSL's assembler code says VFPv3 where compilers say VFPv3-D16.
ARM = {"armhf": (6, {2}), "armv7": (7, {3, 4})}

# Branch -> /etc/alpine-release, package version of musl, the version that musl's loader prints.
RELEASES = {
    "v3.13": ("3.13.12", "1.2.2-r1", "1.2.2"),
    "v3.19": ("3.19.4", "1.2.4_git20230717-r4", "1.2.4_git20230717"),
    "v3.20": ("3.20.3", "1.2.5-r0", "1.2.5"),
    "edge": ("3.21.0_alpha20240923", "1.2.5-r3", "1.2.5"),
}


@pytest.fixture
def branch(tarball: Path) -> str:
    return tarball.parts[-4]


@pytest.fixture
def arch(tarball: Path) -> str:
    return tarball.parts[-2]


@pytest.fixture
def rootfs(tarball: Path) -> LayeredRootFS:
    return mirror.opened(tarball)


def test_release(rootfs: LayeredRootFS, branch: str) -> None:
    release = read_release(rootfs)
    version = RELEASES[branch][0]
    assert (release.id, release.name, release.version, release.version_id) == (
        "alpine",
        "Alpine Linux",
        version,
        version,
    )
    assert (release.branch, release.is_edge) == (branch.removeprefix("v"), branch == "edge")


def test_libc(rootfs: LayeredRootFS, branch: str, arch: str) -> None:
    libc = read_libc(rootfs)
    loader = ELF[arch][0]
    assert (libc.kind, libc.version, libc.loader, libc.real) == ("musl", RELEASES[branch][1], loader, loader)
    assert not libc.gcompat
    assert [found.path for found in libc.loaders] == [loader]
    assert libc.loader == f"/lib/ld-musl-{BY_APK_ARCH[arch].machine.loader_arch}.so.1"


def test_version_of_musl_told_by_its_loader_alone(rootfs: LayeredRootFS, branch: str) -> None:
    class WithoutDatabase(type(rootfs)):  # type: ignore[misc]  # a class made at run time
        def read(self, path: str, limit: int | None = None) -> bytes:
            data: bytes = b"" if "/apk/db/" in path else super().read(path, limit)
            return data

    bare = WithoutDatabase(rootfs._tree, rootfs._tars)
    assert read_libc(bare).version == RELEASES[branch][2]


def test_shells(rootfs: LayeredRootFS) -> None:
    ash = Shell(path="/bin/sh", real="/bin/busybox", kind="ash")
    assert read_shell(rootfs) == ash
    assert read_shells(rootfs) == (ash, Shell(path="/bin/ash", real="/bin/busybox", kind="ash"))


def test_every_binary_is_of_the_architecture(rootfs: LayeredRootFS, arch: str) -> None:
    loader, libc, machine, bits, big_endian, flags = ELF[arch]
    binaries = dict(elf_files(rootfs))
    assert len(binaries) >= 16
    for path, elf in binaries.items():
        assert (elf.machine, elf.bits, elf.big_endian, elf.flags) == (machine, bits, big_endian, flags), path
        assert elf.interpreter in (loader, None), path
        assert elf.glibc_versions == (), path
        assert not elf.is_static, path
        assert {name for name in elf.needed if name.startswith("libc.")} <= {libc}, path
    assert binaries["/bin/busybox"].interpreter == loader
    assert libc in binaries["/bin/busybox"].needed
    assert (binaries[loader].soname, binaries[loader].interpreter, binaries[loader].needed) == (libc, None, ())


def test_arm_attributes_tell_v6_from_v7(rootfs: LayeredRootFS, arch: str) -> None:
    for path, elf in elf_files(rootfs):
        if elf.machine != EM_ARM:
            assert arch not in ARM
            return
        found = read_arm_attributes(rootfs.read(path), path)
        assert found is not None, path
        assert (found.architecture, found.hard_float) == (ARM[arch][0], True), path
        assert found.fp_arch in ARM[arch][1], path


def elf_files(rootfs: LayeredRootFS) -> Iterator[tuple[str, ElfFile]]:
    for entry in rootfs.walk():
        if entry.is_file and is_elf(rootfs.read(entry.path, 4)):
            with rootfs.open(entry.path) as stream:
                yield entry.path, read_elf(stream, entry.path)
