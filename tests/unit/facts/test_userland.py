"""The platform of a root filesystem, by what it says and by its programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.facts.userland import userland_platform
from pytest_alpine.platforms import PLATFORMS, Platform
from tests.support.elf import Arm, elf_for
from tests.support.images import Symlink
from tests.support.rootfs import rootfs_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_platform_that_apk_is_told(tmp_path: Path, platform: Platform) -> None:
    assert userland_platform(rootfs_of(tmp_path, {"etc/apk/arch": f"{platform.apk_arch}\nnoarch\n"})) == platform


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_platform_of_the_programs(tmp_path: Path, platform: Platform) -> None:
    program = bytes(elf_for(str(platform)))
    assert (
        userland_platform(rootfs_of(tmp_path, {"bin/busybox": program, "bin/sh": Symlink("/bin/busybox")})) == platform
    )
    assert userland_platform(rootfs_of(tmp_path, {"etc/apk/arch": "pdp11\n", "sbin/apk": program})) == platform


@pytest.mark.parametrize(("cpu", "expected"), [(6, "arm/v6"), (10, "arm/v7"), (None, "arm/v7")])
def test_static_arm_program(tmp_path: Path, cpu: int | None, expected: str) -> None:
    """Without a C library to name, the build attributes tell; stripped of these, it is taken for the newer."""
    arm = None if cpu is None else Arm(cpu_arch=cpu)
    program = bytes(elf_for("linux/arm/v6", needed=(), arm=arm))
    assert userland_platform(rootfs_of(tmp_path, {"bin/sh": program})) == Platform.parse(expected)


@pytest.mark.parametrize(
    "program",
    [b"#!/bin/true\n", b"\x7fELF", b"", bytes(elf_for("linux/amd64"))[:18] + b"\xff\xff" + bytes(60)],
    ids=["script", "cut", "empty", "unknown-machine"],
)
def test_nothing_tells(tmp_path: Path, program: bytes) -> None:
    assert userland_platform(rootfs_of(tmp_path, {"bin/sh": program, "bin/busybox": Symlink("nowhere")})) is None
