"""Programs and libraries in the folders of the system come from packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.elf.contents import MAGIC
from pytest_alpine.elf.reader import is_elf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

# Programs of no package belong in /usr/local, /opt, /srv, /home or a folder of the application.
_SYSTEM: Final = (
    "/bin/ /boot/ /dev/ /etc/ /lib/ /lib32/ /lib64/ /media/ /mnt/ /root/ /run/ /sbin/ /tmp/ /usr/ "
    "/var/cache/ /var/log/ /var/run/ /var/spool/ /var/tmp/"
)
_FOLDERS: Final = tuple(_SYSTEM.split())
_LOCAL: Final = "/usr/local/"


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    owned = snapshot.facts.owners.by_path
    for path, entry in snapshot.entries.items():
        if not entry.is_file or not path.startswith(_FOLDERS) or path.startswith(_LOCAL) or path in owned:
            continue
        if entry.size >= len(MAGIC) and is_elf(snapshot.rootfs.read(path, len(MAGIC))):
            actual = f"an ELF file of no package, {entry.size} bytes"
            hint = "package it, or put it in /usr/local or /opt"
            yield RULE.finding(path, expected="a file of a package, or no file", actual=actual, hint=hint)


RULE = Rule(
    name="unowned-elf",
    reason="a program of no package is not upgraded, scanners do not know it, and it hides among the system's files",
    sets=BASE,
    find=_find,
)
