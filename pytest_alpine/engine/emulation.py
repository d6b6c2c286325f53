"""Which platforms a machine runs: its own, and those that its kernel hands to an emulator.

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
"""Where the kernel lists who runs which programs."""

# Not entries of it, but its own switches.
_CONTROLS: Final = {"register", "status"}
_FIELD: Final = re.compile(r"(enabled|disabled|\w+):? ?(.*)")

_ELF_CLASS: Final = {32: 1, 64: 2}
_ET_DYN: Final = 3  # Alpine's programs are position-independent
_EV_CURRENT: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Handler:
    """An entry of binfmt_misc: programs whose first bytes match go to an interpreter."""

    name: str
    interpreter: str
    flags: str
    magic: bytes
    mask: bytes
    offset: int = 0

    @property
    def fixed(self) -> bool:
        """Whether the interpreter is held open (flag F); else it would be looked for inside each container."""
        return "F" in self.flags

    def takes(self, head: bytes) -> bool:
        """Whether a program that begins with *head* goes to this interpreter."""
        part = head[self.offset : self.offset + len(self.magic)]
        return len(part) == len(self.magic) and all(
            byte & mask == magic & mask for byte, magic, mask in zip(part, self.magic, self.mask, strict=True)
        )


def parse_handler(name: str, text: str) -> Handler | None:
    """Return the entry *name* with the content *text*; None if it is disabled, or goes by names of files."""
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
    """Return what is registered with this machine's kernel; None where that cannot be seen, as in a container."""
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
    """What one machine runs."""

    native: Platform
    """Its own platform."""
    handlers: tuple[Handler, ...] | None
    """Its emulators; None where they cannot be seen, as on a remote machine: then trying tells."""

    def emulated(self, platform: Platform) -> bool:
        """Whether programs of *platform* go to an emulator; where that cannot be seen, whether they would have to.

        Raises:
            PlatformNotRunnable: they can neither run nor be emulated; the message names the command that mends it.
        """
        found = self._handler(platform)
        # The kernel asks its list before it looks whether the processor could run a program itself.
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
        """Return the platforms that are known to be emulated."""
        return tuple(
            platform for platform in PLATFORMS if (found := self._handler(platform)) is not None and found.fixed
        )

    def _handler(self, platform: Platform) -> Handler | None:
        head = elf_head(platform.machine)
        # The newest entry is asked first, and the order is not to be seen: one that works wins here.
        taking = [handler for handler in self.handlers or () if handler.takes(head)]
        return min(taking, key=lambda handler: not handler.fixed, default=None)


def elf_head(machine: Machine) -> bytes:
    """Return how a program for *machine* begins: the part of the ELF header that tells its kind."""
    ident = b"\x7fELF" + bytes([_ELF_CLASS[machine.bits], 2 if machine.big_endian else 1, _EV_CURRENT]) + bytes(9)
    return ident + struct.pack(">HH" if machine.big_endian else "<HH", _ET_DYN, machine.elf_machine)


def not_runnable(platform: Platform, why: str) -> str:
    """Return the message for programs of *platform* that do not run: *why*, and the way out."""
    return f"{platform} does not run here: {why}; {_register(platform)}"


def _not_fixed(platform: Platform, handler: Handler) -> str:
    return not_runnable(
        platform,
        f"its emulator {handler.name!r} is registered without flag F, so that {handler.interpreter} is looked for "
        "inside each container",
    )


def _register(platform: Platform) -> str:
    return (
        f"register its emulator: docker run --privileged --rm tonistiigi/binfmt --install {platform.architecture} "
        "(or, on Debian and Ubuntu: apt-get install qemu-user-static binfmt-support)"
    )


def describe_platforms(platforms: Sequence[Platform]) -> str:
    """Return *platforms* in few words: ``arm64, arm/v6``."""
    return ", ".join(str(platform).removeprefix("linux/") for platform in platforms)
