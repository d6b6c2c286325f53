"""Which platforms a machine runs, told by what its kernel has registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.engine.emulation import Handler, Machines, elf_head, parse_handler, read_handlers
from pytest_alpine.errors import PlatformNotRunnable
from pytest_alpine.platforms import PLATFORMS, Platform

if TYPE_CHECKING:
    from pathlib import Path

ARM64_MAGIC = "7f454c460201010000000000000000000200b700"
ARM_MAGIC = "7f454c4601010100000000000000000002002800"
S390X_MAGIC = "7f454c4602020100000000000000000000020016"
MASK = "ffffffffffffff00fffffffffffffffffeffffff"
BIG_MASK = "ffffffffffffff00fffffffffffffffffffeffff"


def entry(magic: str, mask: str = MASK, flags: str = "F", *, status: str = "enabled") -> str:
    return f"{status}\ninterpreter /usr/bin/qemu\nflags: {flags}\noffset 0\nmagic {magic}\nmask {mask}\n"


def machines(native: str = "linux/amd64", **entries: str) -> Machines:
    found = (parse_handler(name, text) for name, text in entries.items())
    return Machines(native=Platform.parse(native), handlers=tuple(handler for handler in found if handler is not None))


@pytest.mark.parametrize(
    ("platform", "expected"),
    [("linux/arm64", "arm64"), ("linux/s390x", "s390x"), ("linux/arm/v6", "arm"), ("linux/arm/v7", "arm")],
)
def test_emulators_are_told_by_what_they_take(platform: str, expected: str) -> None:
    # Names say nothing: Debian, tonistiigi/binfmt and others choose them as they like.
    entries = {"x1": entry(ARM64_MAGIC), "x2": entry(ARM_MAGIC), "x3": entry(S390X_MAGIC, BIG_MASK)}
    magics = {"arm64": ARM64_MAGIC, "arm": ARM_MAGIC, "s390x": S390X_MAGIC}
    assert machines(**entries).emulated(Platform.parse(platform))
    only = [handler for handler in machines(**entries).handlers or () if handler.magic.hex() == magics[expected]]
    assert [handler.takes(elf_head(Platform.parse(platform).machine)) for handler in only] == [True]


@pytest.mark.parametrize(
    ("native", "platform"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64", "linux/386"),
        ("linux/arm64", "linux/arm64"),
        ("linux/arm64", "linux/arm/v7"),
        ("linux/arm/v7", "linux/arm/v6"),
    ],
)
def test_native_platforms(native: str, platform: str) -> None:
    assert not machines(native).emulated(Platform.parse(platform))


def test_an_emulator_goes_before_the_processor() -> None:
    assert machines("linux/arm64", x=entry(ARM_MAGIC)).emulated(Platform.parse("arm/v7"))


def test_no_emulator() -> None:
    with pytest.raises(PlatformNotRunnable) as caught:
        machines().emulated(Platform.parse("riscv64"))
    assert str(caught.value) == (
        "linux/riscv64 does not run here: no emulator is registered on this linux/amd64 machine; "
        "register its emulator: docker run --privileged --rm tonistiigi/binfmt --install riscv64 "
        "(or, on Debian and Ubuntu: apt-get install qemu-user-static binfmt-support)"
    )


def test_an_emulator_that_containers_do_not_see() -> None:
    found = machines(qemu=entry(ARM64_MAGIC, flags="OC"))
    expected = r"registered without flag F, so that the kernel needs /usr/bin/\S+ inside each container"
    with pytest.raises(PlatformNotRunnable, match=expected):
        found.emulated(Platform.parse("arm64"))
    assert found.emulates() == ()
    assert machines(old=entry(ARM64_MAGIC, flags=""), new=entry(ARM64_MAGIC)).emulated(Platform.parse("arm64"))


def test_what_cannot_be_seen_is_tried() -> None:
    remote = Machines(native=Platform.parse("amd64"), handlers=None)
    assert remote.emulated(Platform.parse("arm64"))
    assert not remote.emulated(Platform.parse("386"))
    assert remote.emulates() == ()


@pytest.mark.parametrize(
    "text",
    [
        entry(ARM64_MAGIC, status="disabled"),
        "enabled\ninterpreter /usr/bin/java\nflags: \nextension .jar\n",
        "",
    ],
    ids=["disabled", "by-extension", "empty"],
)
def test_entries_that_take_no_program(text: str) -> None:
    assert parse_handler("x", text) is None


def test_an_entry_with_offset_and_without_mask() -> None:
    text = "enabled\ninterpreter /x\nflags: \noffset 2\nmagic 4c46\n"
    assert parse_handler("x", text) == Handler(
        name="x", interpreter="/x", flags="", magic=b"LF", mask=b"\xff\xff", offset=2
    )
    found = parse_handler("x", text)
    assert found is not None
    assert found.takes(b"\x7fELF")
    assert not found.takes(b"\x7fE")


def test_a_folder_of_entries(tmp_path: Path) -> None:
    assert read_handlers(tmp_path) is None, "binfmt_misc is not mounted"
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "register").write_text("")
    (tmp_path / "any-name").write_text(entry(ARM64_MAGIC))
    assert [handler.name for handler in read_handlers(tmp_path) or ()] == ["any-name"]
    (tmp_path / "status").write_text("disabled\n")
    assert read_handlers(tmp_path) == ()


def test_no_two_platforms_but_arm_share_an_emulator() -> None:
    heads = [elf_head(platform.machine) for platform in PLATFORMS]
    assert len(set(heads)) == len(PLATFORMS) - 1
