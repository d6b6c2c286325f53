"""Emulators: QEMU, registered with the kernel for each architecture of Alpine that this machine does not run.

Spec: https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.bed import apt
from tests.bed.state import BedError, State

if TYPE_CHECKING:
    from collections.abc import Sequence

BINFMT = Path("/proc/sys/fs/binfmt_misc")
PACKAGES = ("qemu-user-static", "binfmt-support")
MOUNT = f"mount -t binfmt_misc binfmt_misc {BINFMT}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Emulator:
    """One QEMU emulator: its binfmt name, an ELF header it must take, and the platforms it runs."""

    name: str
    machine: int
    bits: int
    platforms: tuple[str, ...]
    big_endian: bool = False

    @property
    def header(self) -> bytes:
        """The first 20 bytes of a position-independent executable for this machine (elf(5))."""
        order: Literal["big", "little"] = "big" if self.big_endian else "little"
        identity = bytes([*b"\x7fELF", self.bits // 32, 2 if self.big_endian else 1, 1, *bytes(9)])
        return identity + (3).to_bytes(2, order) + self.machine.to_bytes(2, order)


EMULATORS = (
    Emulator(name="qemu-x86_64", machine=62, bits=64, platforms=("linux/amd64",)),
    Emulator(name="qemu-i386", machine=3, bits=32, platforms=("linux/386",)),
    Emulator(name="qemu-aarch64", machine=183, bits=64, platforms=("linux/arm64",)),
    Emulator(name="qemu-arm", machine=40, bits=32, platforms=("linux/arm/v6", "linux/arm/v7")),
    Emulator(name="qemu-ppc64le", machine=21, bits=64, platforms=("linux/ppc64le",)),
    Emulator(name="qemu-riscv64", machine=243, bits=64, platforms=("linux/riscv64",)),
    Emulator(name="qemu-s390x", machine=22, bits=64, platforms=("linux/s390x",), big_endian=True),
    Emulator(name="qemu-loongarch64", machine=258, bits=64, platforms=("linux/loong64",)),
)
# What each kernel runs by itself: the 32-bit sibling comes with the 64-bit one.
NATIVE = {
    "x86_64": {"linux/amd64", "linux/386"},
    "aarch64": {"linux/arm64", "linux/arm/v6", "linux/arm/v7"},
    "ppc64le": {"linux/ppc64le"},
    "riscv64": {"linux/riscv64"},
    "s390x": {"linux/s390x"},
    "loongarch64": {"linux/loong64"},
}


def native() -> frozenset[str]:
    """The platforms this machine runs without an emulator."""
    return frozenset(NATIVE.get(platform.machine(), ()))


def wanted() -> tuple[Emulator, ...]:
    """The emulators this machine needs to run every platform."""
    return tuple(emulator for emulator in EMULATORS if not native().issuperset(emulator.platforms))


def emulated() -> frozenset[str]:
    """The platforms that an emulator runs here, in containers too."""
    handlers = _handlers()
    return frozenset(name for emulator in wanted() if _takes(handlers, emulator) for name in emulator.platforms)


def missing() -> tuple[Emulator, ...]:
    """The wanted emulators that are not registered, or not in a way that works in containers."""
    handlers = _handlers()
    return tuple(emulator for emulator in wanted() if not _takes(handlers, emulator))


def remedy(wanted: Sequence[Emulator]) -> str:
    """Return the commands that register the *wanted* emulators, to be typed by hand."""
    commands = [] if (BINFMT / "status").exists() else [f"sudo {MOUNT}"]
    if apt.find("update-binfmts") is None or apt.find("qemu-aarch64-static") is None:
        commands.append(apt.command(*PACKAGES))
    return " && ".join(commands + [f"sudo update-binfmts --enable {emulator.name}" for emulator in wanted])


def up(state: State) -> None:
    """Register every wanted emulator that is not registered yet.

    Raises:
        BedError: one or more cannot be; the text holds the command to run.
    """
    if not missing():
        return
    if os.geteuid() == 0:
        _mount(state)
        update = apt.require("update-binfmts", *PACKAGES)
        apt.require("qemu-aarch64-static", *PACKAGES)
        for emulator in missing():
            # Enables the emulators of the package; others stay missing, and are reported below.
            if subprocess.run([update, "--enable", emulator.name], capture_output=True, check=False).returncode == 0:
                state.emulators.append(emulator.name)
    left = missing()
    if left:
        raise BedError(f"no emulator for {_platforms(left)}; run: {remedy(left)}")


def problem(_state: State) -> str | None:
    """Return which platforms have no emulator; None if all have one."""
    left = missing()
    return f"no emulator for {_platforms(left)}; run: {apt.way_out(remedy(left))}" if left else None


def down(state: State) -> None:
    """Remove the registrations and the mount that the test bed made."""
    for name in state.emulators:
        subprocess.run([apt.find("update-binfmts") or "update-binfmts", "--disable", name], check=False)
    state.emulators.clear()
    if state.binfmt_mounted:
        subprocess.run(["umount", str(BINFMT)], check=False)
        state.binfmt_mounted = False


def _platforms(some: Sequence[Emulator]) -> str:
    return ", ".join(name for emulator in some for name in emulator.platforms)


def _mount(state: State) -> None:
    if (BINFMT / "status").exists():
        return
    done = subprocess.run(MOUNT.split(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BedError(f"cannot mount binfmt_misc: {done.stderr.strip()}; run: sudo {MOUNT}")
    state.binfmt_mounted = True


def _handlers() -> list[dict[str, str]]:
    """Every registered handler as its fields: ``interpreter``, ``flags:``, ``offset``, ``magic``, ``mask``."""
    if not (BINFMT / "status").exists():
        return []
    texts = [entry.read_text() for entry in BINFMT.iterdir() if entry.name not in {"register", "status"}]
    enabled = [text.splitlines()[1:] for text in texts if text.startswith("enabled")]
    return [dict(line.partition(" ")[::2] for line in lines) for lines in enabled]


def _takes(handlers: list[dict[str, str]], emulator: Emulator) -> bool:
    """Whether a handler of any name runs programs of this machine, and has its interpreter open (flag F)."""
    return any("F" in handler.get("flags:", "") and _matches(handler, emulator.header) for handler in handlers)


def _matches(handler: dict[str, str], header: bytes) -> bool:
    if "magic" not in handler or handler.get("offset", "0") != "0":
        return False
    magic = bytes.fromhex(handler["magic"])
    mask = bytes.fromhex(handler["mask"]) if "mask" in handler else b"\xff" * len(magic)
    if len(magic) > len(header):
        return False
    return all((found ^ want) & bits == 0 for found, want, bits in zip(header, magic, mask, strict=False))
