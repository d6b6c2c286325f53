"""Prebuilt files of Node packages: one for each platform, of which Node loads the one whose name fits.

A package brings ``prebuilds/linux-x64/name.musl.node`` beside ``name.glibc.node`` and ``linux-arm64``, or an
installation brings ``@scope/name-linux-x64-musl`` beside ``@scope/name-linux-x64``. Where such a set holds the file
that runs here, nobody loads the others.

Names: https://github.com/prebuild/node-gyp-build, prebuildify, prebuild-install, node-pre-gyp, napi-rs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.subjects import is_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_alpine.facts.binaries import Binary
    from pytest_alpine.platforms import Platform

_PLACES: Final = re.compile(r"/(?:node_modules|prebuilds)/")
_OF_BARE: Final = re.compile(r"/node_modules/.*\.bare$")
_LINUX: Final[Mapping[str, str]] = {"linux": "", "linuxmusl": "musl", "linuxglibc": "glibc", "alpine": "musl"}
_SYSTEMS: Final = frozenset(
    {*_LINUX, "darwin", "macos", "win32", "windows", "freebsd", "openbsd", "netbsd", "sunos", "aix", "android", "ios"}
)
# What Node and builders call the architectures, by what OCI calls them.
_ARCHITECTURES: Final[Mapping[str, frozenset[str]]] = {
    "amd64": frozenset({"x64", "x86_64", "amd64"}),
    "386": frozenset({"ia32", "x86", "i386", "i686"}),
    "arm64": frozenset({"arm64", "aarch64"}),
    "arm": frozenset({"arm", "armhf", "armv6", "armv6l", "armv7", "armv7l"}),
    "ppc64le": frozenset({"ppc64", "ppc64le", "powerpc64le"}),
    "s390x": frozenset({"s390x"}),
    "riscv64": frozenset({"riscv64"}),
    "loong64": frozenset({"loong64", "loongarch64"}),
    "others": frozenset({"mips", "mipsel", "mips64el", "wasm32", "universal"}),
}
_LIBCS: Final[Mapping[str, str]] = {
    "musl": "musl",
    "musleabihf": "musl",
    "musleabi": "musl",
    "glibc": "glibc",
    "gnu": "glibc",
    "gnueabihf": "glibc",
    "gnueabi": "glibc",
}
# Of one platform there may be a file for each version of Node.
_VERSIONS: Final = r"abi\d+|napi(?:-v\d+)?|uv\d+|node-v\d+|(?:arm)?v[678]l?"
_WORDS: Final = sorted({*_SYSTEMS, *_LIBCS, *frozenset[str]().union(*_ARCHITECTURES.values())}, key=len, reverse=True)
_TOKEN: Final = re.compile(rf"[^A-Za-z0-9/]?(?<![A-Za-z0-9])({'|'.join(_WORDS)}|{_VERSIONS})(?![A-Za-z0-9])")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Prebuilt:
    binary: Binary
    systems: frozenset[str]
    architectures: frozenset[str]
    libc: str
    """``musl``, ``glibc``, or empty where the name says nothing."""

    def fits(self, platform: Platform) -> bool:
        """Whether the name is one for *platform*, of any C library."""
        return self.systems <= _LINUX.keys() and bool(self.architectures & _ARCHITECTURES[platform.architecture])

    def runs(self, platform: Platform) -> bool:
        """Whether this is the file that Node loads on an Alpine of *platform*, and it was built for that."""
        elf = self.binary.elf
        right = elf is not None and is_for(elf, platform) and not elf.glibc_versions
        return right and self.fits(platform) and self.libc != "glibc"


def unloaded_prebuilts(binaries: Iterable[Binary], platform: Platform) -> frozenset[str]:
    """Return the paths of the prebuilt files that nobody loads on *platform*, as one for it stands beside them.

    These are files for another system or architecture, where the set has one for this platform, files of glibc, where
    the set has one of musl, and files of the runtime Bare, where it is not there. Where the only file for this platform
    is wrong, that one is left to the checks.
    """
    sets: dict[str, list[_Prebuilt]] = {}
    binaries = list(binaries)
    has_bare = any(binary.path.endswith("/bare") for binary in binaries)
    for binary in binaries:
        if _PLACES.search(binary.path):
            key, prebuilt = _parsed(binary)
            sets.setdefault(key, []).append(prebuilt)
    of_bare = [] if has_bare else [binary.path for binary in binaries if _OF_BARE.search(binary.path)]
    return frozenset(of_bare).union(
        prebuilt.binary.path
        for found in sets.values()
        if any(prebuilt.fits(platform) for prebuilt in found)
        for prebuilt in _unloaded(found, platform)
    )


def _unloaded(found: Sequence[_Prebuilt], platform: Platform) -> Iterator[_Prebuilt]:
    """Yield the files of the set *found*, which has one for *platform*, that nobody loads."""
    has_right = any(prebuilt.runs(platform) for prebuilt in found)
    for prebuilt in found:
        elf = prebuilt.binary.elf
        of_glibc = prebuilt.libc == "glibc" or (prebuilt.libc == "" and elf is not None and bool(elf.glibc_versions))
        elsewhere = prebuilt.systems and prebuilt.architectures and not prebuilt.fits(platform)
        if elsewhere or (of_glibc and has_right):
            yield prebuilt


def _parsed(binary: Binary) -> tuple[str, _Prebuilt]:
    """Return what names of one set have in common, and what the name of *binary* says."""
    start = _PLACES.search(binary.path)
    place = start.start() if start is not None else 0
    words = {found[1] for found in _TOKEN.finditer(binary.path, place)}
    libcs = {_LIBCS[word] for word in words & _LIBCS.keys()} | {_LINUX[word] for word in words & _LINUX.keys()} - {""}
    prebuilt = _Prebuilt(
        binary=binary,
        systems=frozenset(words & _SYSTEMS),
        architectures=frozenset(word for words_of in _ARCHITECTURES.values() for word in words_of & words),
        libc=libcs.pop() if len(libcs) == 1 else "",
    )
    return binary.path[:place] + _TOKEN.sub("", binary.path[place:]), prebuilt
