"""Shells: which program each name of a shell leads to.

On Alpine, ``/bin/sh`` is a link to BusyBox, whose shell is ash. The content of a file tells which shell it is. If the
content tells nothing (the file is packed, or stripped of its texts), the name behind the links tells it.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from pytest_alpine.elf.reader import is_elf
from pytest_alpine.errors import FileNotInImage

if TYPE_CHECKING:
    from pytest_alpine.rootfs.base import Entry, RootFS

ShellKind = Literal["ash", "hush", "bash", "dash", "zsh", "mksh", "ksh", "yash", "fish", "toybox", "other"]
"""``ash`` and ``hush`` are shells of BusyBox; ``other`` is a script or an unknown program."""

SHELLS: Final = "/etc/shells"
"""The list of login shells; see shells(5)."""
SH: Final = "/bin/sh"

# A text that each shell contains, in the order of the search: BusyBox contains texts of other shells too.
_TEXTS: Final[tuple[tuple[ShellKind, re.Pattern[bytes]], ...]] = (
    ("toybox", re.compile(rb"Toybox .{0,20}multicall|toybox --help")),
    ("bash", re.compile(rb"GNU bash, version")),
    ("zsh", re.compile(rb"ZSH_VERSION")),
    ("mksh", re.compile(rb"@\(#\)(?:MIRBSD|LEGACY) KSH")),
    ("ksh", re.compile(rb"@\(#\)PD KSH|Version AJM? 93")),
    ("yash", re.compile(rb"Yet another shell|YASH_LOADPATH")),
    ("fish", re.compile(rb"fish, version")),
    ("dash", re.compile(rb"sh: turning off NDELAY mode")),
)
_BUSYBOX: Final = b"BusyBox v"

_NAMES: Final[dict[str, ShellKind]] = {
    **{kind: kind for kind in get_args(ShellKind) if kind != "other"},
    "busybox": "ash",
    "busybox.static": "ash",
    "bbox": "ash",
    "ksh93": "ksh",
    "loksh": "ksh",
    "oksh": "ksh",
    "zsh5": "zsh",
}
_FOLDERS: Final = ("/bin", "/usr/bin", "/usr/local/bin")
_WELL_KNOWN: Final = ("sh", "ash", "bash", "dash", "fish", "hush", "ksh", "mksh", "yash", "zsh")

# Bytes; larger than any shell. A file of gigabytes under a shell's name is not read to its end.
_LIMIT: Final = 32 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Shell:
    """One name of a shell, and the program that it leads to."""

    path: str
    """The name, such as ``/bin/sh``."""
    real: str
    """The file behind all links, such as ``/bin/busybox``."""
    kind: ShellKind


def read_shell(rootfs: RootFS) -> Shell | None:
    """Return the shell that ``/bin/sh`` leads to in *rootfs*, or None."""
    found = _programs(rootfs, [SH])
    return found[0] if found else None


def read_shells(rootfs: RootFS) -> tuple[Shell, ...]:
    """Return the shells of *rootfs*, each name once: those of ``/etc/shells``, then others in the usual folders."""
    usual = [f"{folder}/{name}" for folder in _FOLDERS for name in _WELL_KNOWN]
    return tuple(_programs(rootfs, [*_login_shells(rootfs), *usual]))


def _programs(rootfs: RootFS, paths: list[str]) -> list[Shell]:
    kinds: dict[str, ShellKind] = {}
    found: dict[str, Shell] = {}
    for path in paths:
        named = rootfs.lstat(path)
        # If /bin is a link to /usr/bin, two paths are one name.
        if named is None or named.path in found:
            continue
        try:
            entry = rootfs.stat(path)
        except FileNotInImage:  # a link to nothing
            continue
        if entry.is_file:
            if entry.path not in kinds:
                kinds[entry.path] = _kind(rootfs, entry)
            # BusyBox runs the program whose name it is called by.
            called_hush = kinds[entry.path] == "ash" and posixpath.basename(path) == "hush"
            found[named.path] = Shell(path=path, real=entry.path, kind="hush" if called_hush else kinds[entry.path])
    return list(found.values())


def _login_shells(rootfs: RootFS) -> list[str]:
    try:
        text = rootfs.read(SHELLS, _LIMIT).decode("utf-8", "surrogateescape")
    except FileNotInImage:
        return []
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line.startswith("/")]


def _kind(rootfs: RootFS, entry: Entry) -> ShellKind:
    data = rootfs.read(entry.path, _LIMIT)
    if not is_elf(data):
        return "other"
    # The texts of a program follow its code, so that a search from the end takes a fiftieth of the time.
    if data.rfind(_BUSYBOX) >= 0:
        return "ash" if data.rfind(b"\0ash\0") >= 0 or data.rfind(b"\0hush\0") < 0 else "hush"
    for kind, text in _TEXTS:
        if text.search(data):
            return kind
    return _NAMES.get(posixpath.basename(entry.path), "other")
