"""The files in which two root filesystems differ, and what their ELF files need of the loader."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_alpine.elf.reader import is_elf, read_elf
from pytest_alpine.errors import FileNotInImage, MalformedImage
from pytest_alpine.rootfs.base import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_alpine.checks.snapshot import Snapshot
    from pytest_alpine.rootfs.base import Entry, RootFS

_DEVICES: Final = "/dev/"
# apk's own records and keys: the packages are compared as such, and the rest names the machine.
_RECORDS: Final = re.compile(r"(?:/usr)?/lib/apk/db/.*|/etc/apk/(?:arch|keys/.*)|/usr/share/apk/keys/.*")
# The files that engines put into a container.
_ENGINES: Final = frozenset(
    {
        "/.dockerenv",
        "/etc/hostname",
        "/etc/hosts",
        "/etc/mtab",
        "/etc/resolv.conf",
        "/run/.containerenv",
        "/run/podman-init",
        "/sbin/docker-init",
    }
)
_PIECE: Final = 1 << 20
_MAGIC_SIZE: Final = 4
# Scripts that name the loader, such as ldd, are smaller.
_SCRIPT: Final = 64 << 10


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: its snapshot, without what is not compared."""

    snapshot: Snapshot
    neutral: bool
    """Whether names of the machine are left out, because the other side is for another platform."""
    running: bool
    """Whether files of the engine are left out, because one of the two sides is a container."""

    @property
    def rootfs(self) -> RootFS:
        """The root filesystem."""
        return self.snapshot.rootfs

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Everything that is compared, by its path without the machine."""
        passed_over = _ENGINES if self.running else frozenset()
        return {
            self.neutral_text(path): entry
            for path, entry in self.snapshot.entries.items()
            if not path.startswith(_DEVICES) and path not in passed_over
        }

    def neutral_text(self, text: str) -> str:
        """Return *text*, without the machine in the names of musl's files if this side is neutral."""
        return self._machine.sub("musl-ARCH", text) if self.neutral else text

    @cached_property
    def _machine(self) -> re.Pattern[str]:
        names = {self.snapshot.platform.machine.loader_arch, self.snapshot.platform.apk_arch}
        return re.compile(f"musl-(?:{'|'.join(sorted(names))})(?![\\w-])")

    def identity(self, entry: Entry) -> tuple[str, int] | None:
        """Return a key that two names of one file in one layer share, so that neither is read; None in a container."""
        if self.snapshot.container is not None:
            return None
        return self.snapshot.image.stored_layers[entry.layer].diff_id, entry.offset

    def is_elf(self, entry: Entry) -> bool:
        """Whether the file is an ELF file; four bytes tell."""
        return is_elf(self.rootfs.read(entry.path, _MAGIC_SIZE))

    def neutral_contents(self, entry: Entry) -> str:
        """Return the contents of the file, without the machine."""
        return self.neutral_text(self.rootfs.read(entry.path).decode("utf-8", "surrogateescape"))

    def elf_facts(self, entry: Entry) -> str:
        """Return in words what the ELF file needs; empty where it is broken or not an ELF file."""
        try:
            if not self.is_elf(entry):
                return ""
            with open_file(self.rootfs, entry.path) as stream:
                elf = read_elf(stream, entry.path)
        except (MalformedImage, FileNotInImage):
            return ""
        needs = " ".join(sorted(elf.needed)) or "nothing"
        loader = f", loader {elf.interpreter}" if elf.interpreter else ""
        return self.neutral_text(f"needs {needs}{loader}")


def file_changes(old: Side, new: Side) -> Iterator[tuple[str, Entry | None, Entry | None, str, str]]:
    """Yield for every path that differs: the path, both entries, and what each is in words."""
    for path in sorted(old.entries.keys() | new.entries.keys()):
        before, after = old.entries.get(path), new.entries.get(path)
        if old.neutral and _RECORDS.fullmatch(path):
            continue
        if before is None or after is None:
            old_text, new_text = ("" if entry is None else described(entry) for entry in (before, after))
            yield path, before, after, old_text, new_text
        elif _meta(old, before) != _meta(new, after) or _other_capabilities(before, after):
            yield path, before, after, described(before), described(after)
        elif before.is_file and not _same_contents(old, before, new, after):
            told = before.size != after.size
            old_text, new_text = (
                (f"{before.size} bytes", f"{after.size} bytes") if told else ("contents", "other contents")
            )
            yield path, before, after, old_text, new_text


def described(entry: Entry) -> str:
    """Return in words what *entry* is."""
    if entry.kind == "symlink":
        return f"a link to {entry.target}"
    size = f" of {entry.size} bytes" if entry.is_file else ""
    capabilities = f", capabilities {entry.capabilities}" if entry.capabilities else ""
    return f"a {entry.kind}{size}, mode {entry.mode:04o}, owner {entry.uid}:{entry.gid}{capabilities}"


def _other_capabilities(before: Entry, after: Entry) -> bool:
    return None not in {before.capabilities, after.capabilities} and before.capabilities != after.capabilities


def _meta(side: Side, entry: Entry) -> tuple[object, ...]:
    if entry.kind == "symlink":
        return entry.kind, side.neutral_text(entry.target)
    return entry.kind, entry.mode, entry.uid, entry.gid


def _same_contents(old: Side, before: Entry, new: Side, after: Entry) -> bool:
    identity = old.identity(before)
    if identity is not None and identity == new.identity(after):
        return True
    if old.neutral and old.is_elf(before) and new.is_elf(after):
        return True  # machine code of two machines
    if old.neutral and max(before.size, after.size) <= _SCRIPT:
        return old.neutral_contents(before) == new.neutral_contents(after)
    return before.size == after.size and _equal(old, before, new, after)


def _equal(old: Side, before: Entry, new: Side, after: Entry) -> bool:
    with open_file(old.rootfs, before.path) as one, open_file(new.rootfs, after.path) as other:
        while piece := one.read(_PIECE):
            if piece != other.read(_PIECE):
                return False
    return True
