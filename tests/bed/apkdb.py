"""An apk database that describes Debian packages, as if apk had installed them.

Format: https://gitlab.alpinelinux.org/alpine/apk-tools/-/blob/master/doc/apk-package.5.scd
"""

from __future__ import annotations

import base64
import hashlib
import re
from posixpath import basename, dirname
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator

    from tests.bed.debian import Deb

LICENSES = {"busybox": "GPL-2.0-only", "musl": "MIT"}  # by source package, from their copyright files
DIRECTORY_MODE = 0o755
FILE_MODE = 0o644


def installed(packages: tuple[Deb, ...], arch: str) -> str:
    """The text of ``lib/apk/db/installed`` for *packages* on the Alpine architecture *arch*."""
    return "".join(f"{line}\n" for package in packages for line in (*_stanza(package, arch), ""))


def version(text: str) -> str:
    """Return a Debian version in apk's grammar: no epoch, the upstream version, the revision as ``-rN``."""
    upstream, _, revision = text.partition(":")[2 if ":" in text else 0].rpartition("-")
    number = re.match(r"\d+", revision)
    return f"{re.split('[+~]', upstream)[0]}-r{number[0] if number else 0}"


def checksum(data: bytes) -> str:
    """Return the SHA-1 digest as apk writes it."""
    return "Q1" + base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def _stanza(package: Deb, arch: str) -> Iterator[str]:
    control = package.fields
    with package.files() as tar:
        members = tar.getmembers()
        source = control.get("Source", control["Package"]).split()[0]
        yield f"C:{checksum(package.control())}"
        yield f"P:{control['Package']}"
        yield f"V:{version(control['Version'])}"
        yield f"A:{arch}"
        yield f"S:{package.path.stat().st_size}"
        yield f"I:{sum(member.size for member in members)}"
        yield f"T:{control['Description'].splitlines()[0]}"
        yield f"U:{control['Homepage']}"
        yield f"L:{LICENSES[source]}"
        yield f"o:{source}"
        yield f"m:{control['Maintainer']}"
        yield f"t:{int(max(member.mtime for member in members))}"
        yield from _relations(control.get("Provides", ""), "p")
        yield from _relations(control.get("Replaces", ""), "r")
        yield from _files(tar, members)


def _relations(text: str, field: str) -> Iterator[str]:
    """Debian's list of names, ``a (= 1), b``, as apk's ``a b``."""
    names = [word.split()[0] for word in text.split(",") if word.strip()]
    if names:
        yield f"{field}:{' '.join(names)}"


def _files(tar: tarfile.TarFile, members: list[tarfile.TarInfo]) -> Iterator[str]:
    """Directories in order, each followed by the files in it."""
    named = {member.name.removeprefix("./"): member for member in members if member.name != "."}
    for folder in sorted(name for name, member in named.items() if member.isdir()):
        yield f"F:{folder}"
        yield from _acl("M", named[folder], DIRECTORY_MODE)
        for name in sorted(name for name, member in named.items() if dirname(name) == folder and not member.isdir()):
            yield f"R:{basename(name)}"
            yield from _acl("a", named[name], FILE_MODE)
            yield f"Z:{checksum(_content(tar, named[name]))}"


def _acl(field: str, member: tarfile.TarInfo, usual: int) -> Iterator[str]:
    """Return owner and mode, which apk leaves out if they are the defaults."""
    if (member.uid, member.gid, member.mode) != (0, 0, usual):
        yield f"{field}:{member.uid}:{member.gid}:{member.mode:o}"


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Return the bytes that apk computes the checksum of; for a link, its target."""
    stream = None if member.issym() else tar.extractfile(member)
    return member.linkname.encode() if stream is None else stream.read()
