"""The platform that the programs of a root filesystem were built for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.database import read_arch
from pytest_alpine.elf.arm_attributes import read_arm_attributes
from pytest_alpine.elf.reader import EM_ARM, ElfFile, is_elf, read_elf
from pytest_alpine.errors import DatabaseError, FileNotInImage, MalformedImage
from pytest_alpine.platforms import BY_APK_ARCH, PLATFORMS, Platform

if TYPE_CHECKING:
    from pytest_alpine.rootfs.base import RootFS

# Every root filesystem that can run a command has one of these.
_PROGRAMS: Final = ("/bin/sh", "/bin/busybox", "/sbin/apk", "/sbin/init", "/usr/bin/env")
_V7: Final = 7


def userland_platform(rootfs: RootFS) -> Platform | None:
    """Return the platform of *rootfs*: the one in ``/etc/apk/arch``, else that of its programs, else None."""
    try:
        told = BY_APK_ARCH.get(read_arch(rootfs))
    except (DatabaseError, FileNotInImage):
        told = None
    return told or next(filter(None, (_program_platform(rootfs, path) for path in _PROGRAMS)), None)


def _program_platform(rootfs: RootFS, path: str) -> Platform | None:
    try:
        data = rootfs.read(path)
        if not is_elf(data):
            return None
        program = read_elf(data, path)
        if program.machine == EM_ARM:
            return _arm_platform(program, data, path)
    except (FileNotInImage, MalformedImage):
        return None
    return next((platform for platform in PLATFORMS if platform.machine.elf_form == program.form), None)


def _arm_platform(program: ElfFile, data: bytes, path: str) -> Platform:
    """Return which of the two ARM platforms *program* is for. Their ELF headers are the same."""
    for arch in ("armhf", "armv7"):
        if f"libc.musl-{arch}.so.1" in program.needed:
            return BY_APK_ARCH[arch]
    attributes = read_arm_attributes(data, path)
    old = attributes is not None and attributes.architecture is not None and attributes.architecture < _V7
    return BY_APK_ARCH["armhf" if old else "armv7"]
