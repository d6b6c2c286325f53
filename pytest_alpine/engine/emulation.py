"""The platforms that a machine runs: its own, and those that its kernel passes to an emulator.

Spec: https://docs.kernel.org/admin-guide/binfmt-misc.html. Emulators register under any name; which programs they
take is told by the bytes that they match, as the kernel tells it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import PlatformNotRunnable
from pytest_alpine.platforms import PLATFORMS, Machine, Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")
"""The folder in which the kernel lists the registered interpreters."""

# These files are switches of binfmt_misc, not entries.
_CONTROLS: Final = {"register", "status"}
_FIELD: Final = re.compile(r"(enabled|disabled|\w+):? ?(.*)")

_ELF_CLASS: Final = {32: 1, 64: 2}
_ET_DYN: Final = 3  # Alpine's programs are position-independent
_EV_CURRENT: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Handler:
    """An entry of binfmt_misc: an interpreter, and the first bytes of the programs that it runs."""

    name: str
    interpreter: str
    flags: str
    magic: bytes
    mask: bytes
    offset: int = 0

    @property
    def fixed(self) -> bool:
        """Whether the kernel keeps the interpreter open (flag F); else it searches for it inside each container."""
        return "F" in self.flags

    def takes(self, head: bytes) -> bool:
        """Whether this interpreter runs a program that begins with *head*."""
        part = head[self.offset : self.offset + len(self.magic)]
        return len(part) == len(self.magic) and all(
            byte & mask == magic & mask for byte, magic, mask in zip(part, self.magic, self.mask, strict=True)
        )


def parse_handler(name: str, text: str) -> Handler | None:
    """Return the entry *name* with the content *text*; None if it is disabled, or matches names of files."""
    found = (_FIELD.fullmatch(line.strip()) for line in text.splitlines())
    fields = {match[1]: match[2] for match in found if match is not None}
    if "enabled" not in fields or "magic" not in fields:
        return None
    magic = bytes.fromhex(fields["magic"])
    return Handler(
        name=name,
        interpreter=fields.get("interpreter", ""),
        flags=fields.get("flags", ""),
        magic=magic,
        mask=bytes.fromhex(fields["mask"]) if "mask" in fields else b"\xff" * len(magic),
        offset=int(fields.get("offset", "0")),
    )


def read_handlers(folder: Path = BINFMT) -> tuple[Handler, ...] | None:
    """Return the entries of this machine's kernel; None if they cannot be read, as in a container."""
    try:
        status = (folder / "status").read_text().strip()
        if status != "enabled":
            return ()
        texts = [(path.name, path.read_text()) for path in sorted(folder.iterdir()) if path.name not in _CONTROLS]
    except OSError:
        return None
    return tuple(found for name, text in texts if (found := parse_handler(name, text)) is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Machines:
    """The platforms that one machine runs."""

    native: Platform
    """The platform of the machine."""
    handlers: tuple[Handler, ...] | None
    """Its emulators; None if they cannot be read, as on a remote machine."""

    def emulated(self, platform: Platform) -> bool:
        """Whether an emulator runs programs of *platform*. If emulators cannot be read, whether one would be needed.

        Raises:
            PlatformNotRunnable: they can neither run nor be emulated; the message names the command that mends it.
        """
        found = self._handler(platform)
        # The kernel tries its list before it checks whether the processor can run the program.
        if found is not None and found.fixed:
            return True
        if platform.runs_on(self.native):
            return False
        if found is not None:
            raise PlatformNotRunnable(_not_fixed(platform, found))
        if self.handlers is not None:
            why = f"no emulator is registered on this {self.native} machine"
            raise PlatformNotRunnable(not_runnable(platform, why))
        return True

    def emulates(self) -> tuple[Platform, ...]:
        """Return the platforms that are emulated, as far as known."""
        return tuple(
            platform for platform in PLATFORMS if (found := self._handler(platform)) is not None and found.fixed
        )

    def _handler(self, platform: Platform) -> Handler | None:
        head = elf_head(platform.machine)
        # The kernel tries the newest entry first, but does not show the order: an entry that works is preferred here.
        taking = [handler for handler in self.handlers or () if handler.takes(head)]
        return min(taking, key=lambda handler: not handler.fixed, default=None)


def elf_head(machine: Machine) -> bytes:
    """Return the first bytes of a program for *machine*: the part of the ELF header that binfmt_misc compares."""
    ident = b"\x7fELF" + bytes([_ELF_CLASS[machine.bits], 2 if machine.big_endian else 1, _EV_CURRENT]) + bytes(9)
    return ident + struct.pack(">HH" if machine.big_endian else "<HH", _ET_DYN, machine.elf_machine)


def not_runnable(platform: Platform, why: str) -> str:
    """Return the message that programs of *platform* do not run: *why*, and what to do."""
    return f"{platform} does not run here: {why}; {_register(platform)}"


def _not_fixed(platform: Platform, handler: Handler) -> str:
    return not_runnable(
        platform,
        f"its emulator {handler.name!r} is registered without flag F, so that the kernel needs {handler.interpreter} "
        "inside each container",
    )


def _register(platform: Platform) -> str:
    return (
        f"register its emulator: docker run --privileged --rm tonistiigi/binfmt --install {platform.architecture} "
        "(or, on Debian and Ubuntu: apt-get install qemu-user-static binfmt-support)"
    )


def describe_platforms(platforms: Sequence[Platform]) -> str:
    """Return *platforms* in short form: ``arm64, arm/v6``."""
    return ", ".join(str(platform).removeprefix("linux/") for platform in platforms)
