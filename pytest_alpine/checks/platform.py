"""Whether an image is for the platform it is published for: what it says of itself, and what its files are.

Emulation hides the difference: an image for arm64 with programs for amd64 runs, slowly, on a machine that has QEMU,
and on no other. ``uname -m`` tells nothing either, since it is the kernel's answer and not the programs'.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.database import ARCH, read_arch
from pytest_alpine.checks.findings import Finding, require_none
from pytest_alpine.checks.snapshot import Moment, at_one_moment, image_of
from pytest_alpine.checks.subjects import as_globs, is_for, machine_name, matches, named, packages_of
from pytest_alpine.elf.arm_attributes import ArmAttributes, read_arm_attributes
from pytest_alpine.elf.reader import EM_ARM
from pytest_alpine.errors import MalformedImage
from pytest_alpine.rootfs.base import open_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_alpine.apk.package import Package
    from pytest_alpine.checks.findings import Target
    from pytest_alpine.engine.container import Container
    from pytest_alpine.facts.binaries import Binary
    from pytest_alpine.image.image import Image

_SONAME: Final = re.compile(r"libc\.musl-([a-z0-9_]+)\.so\.1")
_SHOWN: Final = 5


def assert_platform(target: Image | Container, foreign: str | Iterable[str] = ()) -> None:
    """Fail unless everything in *target* is for the platform that was asked for.

    That is: the image's configuration, ``/etc/apk/arch``, the packages' architecture, the header of every ELF file,
    and for arm, where v6 and v7 share it, each file's build attributes and the name of the C library it is linked
    to. A running container is asked for its own view too. What is not there says nothing.

    Args:
        target: an image or a running container.
        foreign: paths of ELF files that are for other machines on purpose (firmware, emulators): shell patterns,
            such as ``/lib/firmware/*``, where ``*`` matches ``/`` too.

    Raises:
        AssertionError: something is for another platform; the message tells all of it, the largest file first.
        InvalidPlatform: Alpine does not exist for the platform.
        DatabaseError: the package database is malformed.
    """
    __tracebackhide__ = True
    require_none(find_platform(target, foreign), target)


def find_platform(target: Image | Container, foreign: str | Iterable[str] = ()) -> tuple[Finding, ...]:
    """Return what in *target* is for another platform; see ``assert_platform``."""
    with at_one_moment(target) as now:
        return tuple(_findings(now, as_globs(foreign)))


def _findings(target: Image | Moment, globs: tuple[str, ...]) -> Iterator[Finding]:
    odd = [(binary, actual) for binary, actual in _odd_files(target) if not matches(binary.path, globs)]
    odd.sort(key=lambda pair: (-pair[0].entry.size, pair[0].path))
    packages = packages_of(target)
    yield from (*_config(target), *_arch(target), *_packages(target), *_own_view(target))
    yield from (_finding(named(packages, binary.path), target.platform, actual) for binary, actual in odd)


def _finding(subject: str, expected: object, actual: str) -> Finding:
    return Finding(check="platform", subject=subject, expected=str(expected), actual=actual)


def _config(target: Image | Moment) -> Iterator[Finding]:
    config = image_of(target).config
    wanted, said = target.platform, config.platform
    # Nothing said of a variant is nothing wrong: the classic builder of Docker writes none.
    if said != wanted and (config.variant or (said.os, said.architecture) != (wanted.os, wanted.architecture)):
        yield _finding("configuration", wanted, str(said))


def _arch(target: Target) -> Iterator[Finding]:
    if target.rootfs.exists(ARCH) and (said := read_arch(target.rootfs)) != target.platform.apk_arch:
        yield _finding(ARCH, target.platform.apk_arch, said)


def _packages(target: Target) -> Iterator[Finding]:
    by_arch: dict[str, list[Package]] = {}
    for package in packages_of(target).values():
        if package.arch not in {"", "noarch", target.platform.apk_arch}:
            by_arch.setdefault(package.arch, []).append(package)
    for arch, packages in by_arch.items():
        packages.sort(key=lambda package: -package.installed_size)
        more = f" and {len(packages) - _SHOWN} more" if len(packages) > _SHOWN else ""
        names = ", ".join(map(str, packages[:_SHOWN])) + more
        yield _finding("package database", f"packages of {target.platform.apk_arch}", f"{arch}: {names}")


def _own_view(target: Image | Moment) -> Iterator[Finding]:
    if not isinstance(target, Moment):
        return
    answer = target.container.run(["apk", "--print-arch"])
    said = answer.stdout.strip()
    if answer.exit_code == 0 and said != target.platform.apk_arch:
        yield _finding("apk --print-arch, in the container", target.platform.apk_arch, said)


def _odd_files(target: Image | Moment) -> Iterator[tuple[Binary, str]]:
    for binary in target.binaries.elves:
        actual = _oddity(target, binary)
        if actual:
            yield binary, actual


def _oddity(target: Target, binary: Binary) -> str:
    """Return what speaks against the platform in *binary*, or nothing."""
    elf = binary.elf
    if elf is None:
        return f"a broken ELF file: {binary.problem}"
    if not is_for(elf, target.platform):
        return machine_name(elf)
    for name in (*elf.needed, elf.soname or ""):
        found = _SONAME.fullmatch(name)
        if found is not None and found[1] != target.platform.apk_arch:
            return f"the C library of {found[1]}, {name}"
    return _arm_oddity(target, binary) if elf.machine == EM_ARM else ""


def _arm_oddity(target: Target, binary: Binary) -> str:
    try:
        with open_file(target.rootfs, binary.path) as stream:
            attributes = read_arm_attributes(stream, binary.path)
    except MalformedImage as error:
        return f"broken build attributes: {error}"
    wanted = int(target.platform.variant.removeprefix("v"))
    # What was built for an older processor runs; without attributes, as Go builds its programs, nobody can tell.
    if attributes is None or attributes.architecture is None or attributes.architecture <= wanted:
        return ""
    return _told(attributes)


def _told(attributes: ArmAttributes) -> str:
    return f"linux/arm/v{attributes.architecture} by its build attributes"
