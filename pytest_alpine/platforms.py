"""Platforms: the names that OCI, Docker, Alpine, QEMU and the ELF header use for the same machine.

Specs: the ``platform`` object of https://github.com/opencontainers/image-spec/blob/main/image-index.md,
Alpine's architecture names, and the ELF machine numbers of the gABI.
"""

from __future__ import annotations

import platform as host_platform
import re
from dataclasses import dataclass
from typing import Final, Literal

from pytest_alpine.errors import InvalidPlatform

_WORD: Final = re.compile(r"[a-z0-9_.-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """The properties of Alpine's binaries for one platform, and their emulator."""

    apk_arch: str
    """Alpine's name of the architecture, as in ``/etc/apk/arch``."""
    loader_arch: str
    """The name in musl's loader, ``/lib/ld-musl-NAME.so.1``."""
    qemu: str
    """The suffix of QEMU's user-mode emulator, ``qemu-NAME``."""
    elf_machine: int
    """``e_machine`` of the ELF header."""
    bits: Literal[32, 64]
    big_endian: bool = False

    @property
    def elf_form(self) -> tuple[int, int, bool]:
        """The fields that all its ELF headers share: ``e_machine``, bits, and whether the byte order is big-endian."""
        return self.elf_machine, self.bits, self.big_endian


# (architecture, variant) -> machine. Lists of platforms have this order: those of most machines are the first.
_MACHINES: Final[dict[tuple[str, str], Machine]] = {
    ("amd64", ""): Machine(apk_arch="x86_64", loader_arch="x86_64", qemu="x86_64", elf_machine=62, bits=64),
    ("386", ""): Machine(apk_arch="x86", loader_arch="i386", qemu="i386", elf_machine=3, bits=32),
    ("arm", "v6"): Machine(apk_arch="armhf", loader_arch="armhf", qemu="arm", elf_machine=40, bits=32),
    ("arm", "v7"): Machine(apk_arch="armv7", loader_arch="armhf", qemu="arm", elf_machine=40, bits=32),
    ("arm64", ""): Machine(apk_arch="aarch64", loader_arch="aarch64", qemu="aarch64", elf_machine=183, bits=64),
    ("ppc64le", ""): Machine(apk_arch="ppc64le", loader_arch="powerpc64le", qemu="ppc64le", elf_machine=21, bits=64),
    ("riscv64", ""): Machine(apk_arch="riscv64", loader_arch="riscv64", qemu="riscv64", elf_machine=243, bits=64),
    ("s390x", ""): Machine(
        apk_arch="s390x", loader_arch="s390x", qemu="s390x", elf_machine=22, bits=64, big_endian=True
    ),
    ("loong64", ""): Machine(
        apk_arch="loongarch64", loader_arch="loongarch64", qemu="loongarch64", elf_machine=258, bits=64
    ),
}

# All other spellings in use. "armhf" is arm/v6, as in Alpine; in containerd it is arm/v7.
_ALIASES: Final[dict[str, tuple[str, str]]] = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "x86": ("386", ""),
    "arm": ("arm", "v7"),
    "armv6": ("arm", "v6"),
    "armv6l": ("arm", "v6"),
    "arm32v6": ("arm", "v6"),
    "armhf": ("arm", "v6"),
    "armv7": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "arm32v7": ("arm", "v7"),
    "aarch64": ("arm64", ""),
    "arm64v8": ("arm64", ""),
    "armv8": ("arm64", ""),
    "powerpc64le": ("ppc64le", ""),
    "loongarch64": ("loong64", ""),
}

# The other architectures that a processor runs without an emulator.
_ALSO_NATIVE: Final = {"amd64": {"386"}, "arm64": {"arm"}, "arm": {"arm"}}

# Variants that name the default of their architecture.
_DEFAULT_VARIANTS: Final = {("arm64", "v8"), ("amd64", "v1"), ("arm", ""), ("ppc64le", "power8")}


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Platform:
    """An OCI platform, such as ``linux/arm/v7``.

    >>> str(Platform.parse("aarch64")), Platform.parse("armhf").apk_arch
    ('linux/arm64', 'armhf')

    A platform equals every text that names it. Comparing it with a text that names no platform is an error. In a set
    or a dictionary, only the text that ``str`` returns finds a platform.

    >>> Platform.parse("aarch64") == "arm64", Platform.parse("arm64") == "amd64"
    (True, False)
    """

    architecture: str
    os: str = "linux"
    variant: str = ""

    def __post_init__(self) -> None:
        """Bring equal platforms to one form: ``arm64/v8`` is ``arm64``, ``arm`` is ``arm/v7``."""
        architecture, variant = _ALIASES.get(self.architecture, (self.architecture, self.variant))
        variant = self.variant or variant
        if variant.isdigit():
            variant = f"v{variant}"
        if (architecture, variant) in _DEFAULT_VARIANTS:
            variant = "v7" if architecture == "arm" else ""
        object.__setattr__(self, "architecture", architecture)
        object.__setattr__(self, "variant", variant)

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Return the platform that *text* names, in any spelling that is in use.

        Spellings are ``linux/arm/v7``, ``arm64/v8``, ``aarch64``, ``i386``, ``armhf`` (as in Alpine: arm/v6),
        ``arm32v7`` and others.

        Raises:
            InvalidPlatform: *text* is not ``[os/]architecture[/variant]``, or its architecture is unknown.
        """
        parts = text.strip().lower().split("/")
        if parts[0] in {"linux", "windows", "darwin", "freebsd"}:
            system, *parts = parts
        else:
            system = "linux"
        if not 1 <= len(parts) <= 2 or not all(_WORD.fullmatch(part) for part in parts):  # noqa: PLR2004 - arch/variant
            raise InvalidPlatform(f"invalid platform: {text!r} (expected [os/]architecture[/variant])")
        found = cls(os=system, architecture=parts[0], variant=parts[1] if len(parts) > 1 else "")
        if system == "linux" and found.architecture not in _ARCHITECTURES:
            raise InvalidPlatform(f"unknown architecture: {text!r} (expected one of {', '.join(map(str, PLATFORMS))})")
        return found

    @classmethod
    def native(cls) -> Platform:
        """Return the platform of the machine that runs this code.

        Raises:
            InvalidPlatform: Alpine has no architecture for this machine.
        """
        return cls.parse(host_platform.machine())

    def runs_on(self, machine: Platform) -> bool:
        """Whether the processor of *machine* runs programs of this platform without an emulator. Ignores its kernel.

        >>> Platform.parse("386").runs_on(Platform.parse("amd64"))
        True
        """
        own = machine.architecture
        return self.architecture == own or self.architecture in _ALSO_NATIVE.get(own, set())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            other = Platform.parse(other)
        if not isinstance(other, Platform):
            return NotImplemented
        return (self.architecture, self.os, self.variant) == (other.architecture, other.os, other.variant)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    @property
    def slug(self) -> str:
        """The short name in test ids: ``amd64``, ``arm-v7``."""
        return "-".join(filter(None, (self.architecture, self.variant)))

    @property
    def machine(self) -> Machine:
        """The properties of Alpine's binaries for this platform.

        Raises:
            InvalidPlatform: Alpine does not exist for this platform.
        """
        machine = _MACHINES.get((self.architecture, self.variant))
        if machine is None or self.os != "linux":
            raise InvalidPlatform(f"not a platform of Alpine: {str(self)!r} (expected one of {_known()})")
        return machine

    @property
    def apk_arch(self) -> str:
        """Alpine's name for this platform, as in ``/etc/apk/arch``.

        Raises:
            InvalidPlatform: Alpine does not exist for this platform.
        """
        return self.machine.apk_arch


def _known() -> str:
    return ", ".join(map(str, PLATFORMS))


_ARCHITECTURES: Final = {architecture for architecture, _ in _MACHINES}

PLATFORMS: Final = tuple(Platform(architecture=architecture, variant=variant) for architecture, variant in _MACHINES)
"""Every platform of Alpine."""

BY_APK_ARCH: Final = {platform.apk_arch: platform for platform in PLATFORMS}
"""Alpine's architecture names and their platforms."""
