"""``assert_platform``: the configuration and the files of an image are for the platform that was asked for.

Emulation hides a mistake: an image for arm64 with programs for amd64 runs slowly on a machine that has QEMU, and on no
other. ``uname -m`` does not show it, as the kernel answers, and not the programs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.database import ARCH, read_arch
from pytest_alpine.checks.findings import Finding, listed, require_none
from pytest_alpine.checks.snapshot import Snapshot, open_snapshot
from pytest_alpine.checks.subjects import as_globs, is_for, machine_name, matches
from pytest_alpine.elf.arm_attributes import ArmAttributes, read_arm_attributes
from pytest_alpine.elf.reader import EM_ARM
from pytest_alpine.errors import MalformedImage
from pytest_alpine.platforms import BY_APK_ARCH
from pytest_alpine.rootfs.base import open_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_alpine.apk.package import Package
    from pytest_alpine.elf.reader import ElfFile
    from pytest_alpine.engine.container import Container
    from pytest_alpine.facts.binaries import Binary
    from pytest_alpine.image.image import Image
    from pytest_alpine.platforms import Platform

_LIBC: Final = re.compile(r"libc\.musl-([a-z0-9_]+)\.so\.1")
_SHOWN: Final = 5


def assert_platform(target: Image | Container, foreign: str | Iterable[str] = ()) -> None:
    """Fail unless everything in *target* is for the platform that was asked for.

    The check reads the image's configuration, ``/etc/apk/arch``, the packages' architecture and the header of every ELF
    file. As v6 and v7 of arm share that header, it reads the build attributes of their files too, and the name of the C
    library that they are linked to. In a running container, ``apk --print-arch`` is run.
    What is missing is not an error. Prebuilt files of Node packages for other platforms are none where one for this
    platform stands beside them.

    Args:
        target: an image or a running container.
        foreign: paths of ELF files that are for other machines on purpose (firmware, emulators): shell patterns,
            such as ``/lib/firmware/*``, where ``*`` matches ``/`` too.

    Raises:
        AssertionError: something is for another platform; the message tells everything, the largest file first.
        InvalidPlatform: Alpine does not exist for the platform.
        DatabaseError: the package database is malformed.
    """
    __tracebackhide__ = True
    require_none(find_platform(target, foreign), target)


def find_platform(target: Image | Container, foreign: str | Iterable[str] = ()) -> tuple[Finding, ...]:
    """Return what in *target* is for another platform; see ``assert_platform``."""
    with open_snapshot(target) as snapshot:
        return tuple(_findings(snapshot, as_globs(foreign)))


def _findings(snapshot: Snapshot, globs: tuple[str, ...]) -> Iterator[Finding]:
    odd = [
        (binary, actual)
        for binary, actual in _odd_files(snapshot)
        if binary.path not in snapshot.unloaded and not matches(binary.path, globs)
    ]
    odd.sort(key=lambda pair: (-pair[0].entry.size, pair[0].path))
    yield from (*_config(snapshot), *_arch(snapshot), *_packages(snapshot), *_own_view(snapshot))
    yield from (_finding(snapshot.named(binary.path), snapshot.platform, actual) for binary, actual in odd)


def _finding(subject: str, expected: object, actual: str) -> Finding:
    return Finding(check="platform", subject=subject, expected=str(expected), actual=actual)


def _config(snapshot: Snapshot) -> Iterator[Finding]:
    config = snapshot.image.config
    wanted, said = snapshot.platform, config.platform
    # A missing variant is not an error: Docker's classic builder writes none.
    if said != wanted and (config.variant or (said.os, said.architecture) != (wanted.os, wanted.architecture)):
        yield _finding("configuration", wanted, str(said))


def _arch(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.rootfs.exists(ARCH) and (said := read_arch(snapshot.rootfs)) != snapshot.platform.apk_arch:
        yield _finding(ARCH, snapshot.platform.apk_arch, said)


def _packages(snapshot: Snapshot) -> Iterator[Finding]:
    by_arch: dict[str, list[Package]] = {}
    for package in snapshot.packages.values():
        if package.arch not in {"", "noarch", snapshot.platform.apk_arch}:
            by_arch.setdefault(package.arch, []).append(package)
    for arch, packages in by_arch.items():
        packages.sort(key=lambda package: -package.installed_size)
        expected, actual = f"packages of {snapshot.platform.apk_arch}", f"{arch}: {listed(packages, _SHOWN)}"
        yield _finding("package database", expected, actual)


def _own_view(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.container is None:
        return
    answer = snapshot.container.run(["apk", "--print-arch"])
    said = answer.stdout.strip()
    if answer.exit_code == 0 and said != snapshot.platform.apk_arch:
        yield _finding("apk --print-arch, in the container", snapshot.platform.apk_arch, said)


def _odd_files(snapshot: Snapshot) -> Iterator[tuple[Binary, str]]:
    for binary in snapshot.facts.binaries.elves:
        actual = _oddity(snapshot, binary)
        if actual:
            yield binary, actual


def _oddity(snapshot: Snapshot, binary: Binary) -> str:
    """Return why *binary* is not for the platform; empty where it is."""
    elf = binary.elf
    if elf is None:
        return f"a broken ELF file: {binary.problem}"
    if not is_for(elf, snapshot.platform):
        return machine_name(elf)
    return _other_libc(elf, snapshot.platform) or (_arm_oddity(snapshot, binary) if elf.machine == EM_ARM else "")


def _other_libc(elf: ElfFile, platform: Platform) -> str:
    """Return which other platform's C library *elf* names, where two platforms share a machine as arm v6 and v7 do.

    musl takes whatever is called ``libc.*`` as itself, so that no other name says anything.
    """
    for name in (*elf.needed, elf.soname or ""):
        found = _LIBC.fullmatch(name)
        other = BY_APK_ARCH.get(found[1]) if found else None
        if other is not None and other != platform and is_for(elf, other):
            return f"the C library of {other.apk_arch}, {name}"
    return ""


def _arm_oddity(snapshot: Snapshot, binary: Binary) -> str:
    try:
        with open_file(snapshot.rootfs, binary.path) as stream:
            attributes = read_arm_attributes(stream, binary.path)
    except MalformedImage as error:
        return f"broken build attributes: {error}"
    wanted = int(snapshot.platform.variant.removeprefix("v"))
    # Programs for an older processor run. Without attributes, as in programs of Go, nobody can tell.
    if attributes is None or attributes.architecture is None or attributes.architecture <= wanted:
        return ""
    return _told(attributes)


def _told(attributes: ArmAttributes) -> str:
    return f"linux/arm/v{attributes.architecture} by its build attributes"
