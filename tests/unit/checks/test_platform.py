from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_platform, find_platform, open_image, published_platforms
from pytest_alpine.errors import DatabaseError
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import PLATFORMS
from tests.support.elf import Arm, Elf, elf_for
from tests.support.images import File
from tests.support.mirror import MIRROR
from tests.unit.checks.conftest import Build, alpine, arm, message_lines, program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_alpine import Image, Platform
    from tests.support.images import Node


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_an_alpine_of_every_platform_is_for_it(build: Build, platform: Platform) -> None:
    assert_platform(build(platform=str(platform)))


@pytest.mark.parametrize(
    ("platform", "said", "problem"),
    [
        ("linux/arm64", "linux/amd64", "configuration: expected linux/arm64, found linux/amd64"),
        ("linux/arm/v6", "linux/arm/v7", "configuration: expected linux/arm/v6, found linux/arm/v7"),
        ("linux/amd64", "windows/amd64", "configuration: expected linux/amd64, found windows/amd64"),
        ("linux/arm/v6", "linux/arm", ""),
        ("linux/arm64", "linux/arm64/v8", ""),
    ],
    ids=["architecture", "variant", "system", "no-variant-said", "default-variant"],
)
def test_what_the_configuration_says(build: Build, platform: str, said: str, problem: str) -> None:
    assert list(map(str, find_platform(build(platform=platform, said=said)))) == [problem] * bool(problem)


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7"])
@pytest.mark.parametrize("name", ["libc.so", "libc.so.6", "libc.musl-x86.so.1", "libc.musl-mips64.so.1", "libc.m"])
def test_names_that_musl_takes_as_itself(build: Build, platform: str, name: str) -> None:
    attributes = arm(platform) if "/arm/" in platform else {}
    needs = program(platform, needed=(name,), **attributes)
    is_one = program(platform, interpreter=None, flags_1=0, soname=name, **attributes)
    assert_platform(build({"srv/app": needs, "srv/libc": is_one}, platform=platform))


def database(arch: str) -> str:
    text = alpine()["lib/apk/db/installed"]
    assert isinstance(text, str)
    return text.replace("A:x86_64", f"A:{arch}")


BIG = elf_for("linux/amd64", payload=bytes(5000))


@pytest.mark.parametrize(
    ("platform", "changes", "problem"),
    [
        ("linux/amd64", {"etc/apk/arch": "aarch64\nx86_64\n"}, "/etc/apk/arch: expected x86_64, found aarch64"),
        (
            "linux/amd64",
            {"lib/apk/db/installed": database("aarch64")},
            ("package database: expected packages of x86_64, "
            "found aarch64: busybox-1.36.1-r29, musl-1.2.5-r0, zlib-1.3.1-r1"),
        ),
        (
            "linux/arm64",
            {"lib/libz.so.1": program(interpreter=None)},
            "/lib/libz.so.1 (zlib-1.3.1-r1): expected linux/arm64, found linux/amd64",
        ),
        (
            "linux/arm64",
            {"srv/app": File(bytes(BIG))},
            "/srv/app (no package): expected linux/arm64, found linux/amd64",
        ),
        (
            "linux/amd64",
            {"srv/app": File(bytes(Elf(bits=32)))},
            "/srv/app (no package): expected linux/amd64, found ELF machine 62, 32-bit, little-endian",
        ),
        (
            "linux/ppc64le",
            {"srv/app": File(bytes(Elf(machine=21, big_endian=True)))},
            "/srv/app (no package): expected linux/ppc64le, found ELF machine 21, 64-bit, big-endian",
        ),
        (
            "linux/amd64",
            {"srv/app": File(bytes(Elf(machine=40, bits=32)))},
            "/srv/app (no package): expected linux/amd64, found linux/arm/v6 or linux/arm/v7",
        ),
        (
            "linux/amd64",
            {"srv/app": b"\x7fELF\x02\x01"},
            ("/srv/app (no package): expected linux/amd64, "
            "found a broken ELF file: truncated: identification at byte 0, the file has 6"),
        ),
        (
            "linux/arm/v6",
            {"srv/app": program("linux/arm/v6", arm=Arm(cpu_arch=10))},
            "/srv/app (no package): expected linux/arm/v6, found linux/arm/v7 by its build attributes",
        ),
        (
            "linux/arm/v7",
            {"srv/app": program("linux/arm/v7", arm=Arm(cpu_arch=14))},
            "/srv/app (no package): expected linux/arm/v7, found linux/arm/v8 by its build attributes",
        ),
        (
            "linux/arm/v6",
            {"srv/app": program("linux/arm/v7")},
            "/srv/app (no package): expected linux/arm/v6, found the C library of armv7, libc.musl-armv7.so.1",
        ),
        (
            "linux/arm/v7",
            {"lib/ld-musl-armhf.so.1": program("linux/arm/v6", needed=(), soname="libc.musl-armhf.so.1")},
            ("/lib/ld-musl-armhf.so.1 (musl-1.2.5-r0): expected linux/arm/v7, "
            "found the C library of armhf, libc.musl-armhf.so.1"),
        ),
    ],
    ids=[
        "etc-apk-arch", "database", "package-file", "no-package", "class", "byte-order", "machine", "broken",
        "arm-attributes-v7", "arm-attributes-v8", "arm-libc-needed", "arm-libc-soname",
    ],
)  # fmt: skip
def test_one_thing_for_another_platform(build: Build, platform: str, changes: Mapping[str, Node], problem: str) -> None:
    (finding,) = find_platform(build(changes, platform=platform))
    assert str(finding) == problem
    assert finding.check == "platform"


@pytest.mark.parametrize(
    "changes",
    [
        {"srv/app": program("linux/arm/v7", needed=(), arm=Arm(cpu_arch=6, fp_arch=2))},
        {"srv/app": program("linux/arm/v7", needed=())},
        {"lib/apk/db/installed": None, "etc/apk/arch": None},
    ],
    ids=["older-processor", "no-attributes", "no-apk"],
)
def test_what_is_no_contradiction(build: Build, changes: Mapping[str, Node | None]) -> None:
    assert_platform(build(changes, platform="linux/arm/v7"))


def test_all_of_it_is_told_the_largest_file_first(build: Build) -> None:
    mixed = build(
        {"srv/small": program(), "srv/large": File(bytes(BIG)), "etc/apk/arch": "x86_64"}, platform="linux/s390x"
    )
    with pytest.raises(AssertionError) as caught:
        assert_platform(mixed)
    *lines, last = str(caught.value).splitlines()
    assert last.endswith(f":1 (linux/s390x, {str(mixed.digest)[:19]})")
    assert lines == [
        "/etc/apk/arch: expected s390x, found x86_64",
        "/srv/large (no package): expected linux/s390x, found linux/amd64",
        "/srv/small (no package): expected linux/s390x, found linux/amd64",
    ]


@pytest.mark.parametrize(
    ("foreign", "left"),
    [
        ((), ["/lib/firmware/a/b.elf", "/usr/bin/qemu-x"]),
        ("/lib/firmware/*", ["/usr/bin/qemu-x"]),
        (["/lib/firmware/*", "*/qemu-?"], []),
        (["/firmware/*"], ["/lib/firmware/a/b.elf", "/usr/bin/qemu-x"]),
    ],
    ids=["none", "one", "several", "from-the-root"],
)
def test_foreign_files_are_named_by_pattern(build: Build, foreign: str | list[str], left: list[str]) -> None:
    files = {"lib/firmware/a/b.elf": bytes(Elf(machine=94, payload=b"x")), "usr/bin/qemu-x": bytes(Elf(machine=94))}
    found = find_platform(build(files), foreign)
    assert [finding.subject.partition(" ")[0] for finding in found] == left


def test_a_malformed_database_is_no_finding(build: Build) -> None:
    with pytest.raises(DatabaseError, match="/lib/apk/db/installed:1: malformed field"):
        find_platform(build({"lib/apk/db/installed": "nonsense\n"}))


@pytest.mark.official
@pytest.mark.parametrize("tag", ["edge", "3.20", "3.19", "3.13"])
def test_every_stock_image_is_for_its_platform(tag: str, tmp_path: Path) -> None:
    reference, access = f"minirootfs:{MIRROR}:{tag}", Access(Store(tmp_path))
    for platform in published_platforms(reference, access=access):
        stock = open_image(reference, platform, access=access)
        assert_platform(stock)


def test_the_whole_message(broken: Image) -> None:
    assert message_lines(broken, assert_platform) == [
        "/usr/local/bin/app (no package): expected linux/arm64, found linux/amd64"
    ]
