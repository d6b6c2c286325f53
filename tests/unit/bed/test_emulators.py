"""Which registered handlers count as an emulator for a platform."""

from __future__ import annotations

import pytest

from tests.bed import emulators
from tests.bed.emulators import EMULATORS, Emulator

# As /proc/sys/fs/binfmt_misc shows the handlers of Debian's qemu-user-static 7.2.
HANDLERS = {
    "qemu-aarch64": ("7f454c460201010000000000000000000200b700", "ffffffffffffff00fffffffffffffffffeffffff"),
    "qemu-arm": ("7f454c4601010100000000000000000002002800", "ffffffffffffff00fffffffffffffffffeffffff"),
    "qemu-ppc64le": ("7f454c4602010100000000000000000002001500", "ffffffffffffff00fffffffffffffffffeffff00"),
    "qemu-riscv64": ("7f454c460201010000000000000000000200f300", "ffffffffffffff00fffffffffffffffffeffffff"),
    "qemu-s390x": ("7f454c4602020100000000000000000000020016", "ffffffffffffff00fffffffffffffffffffeffff"),
    "qemu-loongarch64": ("7f454c4602010100000000000000000002000201", "fffffffffffffffc00fffffffffffffffeffffff"),
}


def _handler(name: str, **changes: str) -> dict[str, str]:
    magic, mask = HANDLERS[name]
    return {"interpreter": "/usr/bin/x", "flags:": "PF", "offset": "0", "magic": magic, "mask": mask} | changes


@pytest.mark.parametrize("emulator", EMULATORS, ids=lambda emulator: emulator.name)
def test_a_handler_takes_its_own_machine_only(emulator: Emulator) -> None:
    takers = {name for name in HANDLERS if emulators._takes([_handler(name)], emulator)}
    assert takers == {emulator.name} & HANDLERS.keys()


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"flags:": "OCF"}, True),
        ({"flags:": "P"}, False),
        ({"flags:": ""}, False),
        ({"offset": "4"}, False),
        ({"magic": HANDLERS["qemu-aarch64"][0] + "01"}, False),
    ],
    ids=["fixed", "other-flags-too", "opened-inside-the-container", "no-flags", "elsewhere", "longer-than-a-header"],
)
def test_a_handler_must_work_in_containers(changes: dict[str, str], taken: bool) -> None:
    emulator = next(emulator for emulator in EMULATORS if emulator.name == "qemu-aarch64")
    assert emulators._takes([_handler("qemu-aarch64", **changes)], emulator) is taken


def test_a_handler_by_extension_takes_no_elf() -> None:
    assert not any(emulators._takes([{"flags:": "F", "extension": ".py"}], emulator) for emulator in EMULATORS)


@pytest.mark.parametrize(
    ("machine", "native", "wanted"),
    [
        ("x86_64", {"linux/amd64", "linux/386"}, {"qemu-aarch64", "qemu-arm", *HANDLERS}),
        ("aarch64", {"linux/arm64", "linux/arm/v6", "linux/arm/v7"}, {"qemu-x86_64", "qemu-i386", "qemu-ppc64le"}),
        ("sparc64", set(), {emulator.name for emulator in EMULATORS}),
    ],
    ids=["amd64", "arm64", "no-alpine-machine"],
)
def test_what_is_native_needs_no_emulator(
    monkeypatch: pytest.MonkeyPatch, machine: str, native: set[str], wanted: set[str]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert emulators.native() == native
    names = {emulator.name for emulator in emulators.wanted()}
    assert wanted <= names
    assert not native & {name for emulator in emulators.wanted() for name in emulator.platforms}
