"""The files and directories of a package, and the database rows that record them.

Rows stand in groups, one field to a line: ``F:directory [M:acl] {R:file [a:acl] [Z:digest]}``, where an acl is
``uid:gid:mode[:digest of the extended attributes]``. The root directory is an empty ``F:``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.digest import PATTERN as DIGEST, Digest, parse_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

_ACL: Final = rf"[0-9]{{1,10}}:[0-9]{{1,10}}:[0-7]{{1,7}}(?::{DIGEST})?"

_DIGEST_LINE: Final = rf"Z:{DIGEST}\n"
_ACL_LINE: Final = rf"a:{_ACL}\n"

ROWS: Final = re.compile(
    rf"""
    (?:
        F:.*\n (?:M:{_ACL}\n)?
        (?:R:.+\n (?:{_ACL_LINE} (?:{_DIGEST_LINE})? | {_DIGEST_LINE} (?:{_ACL_LINE})?)? )*
    )*
    """,
    re.VERBOSE,
)
"""As many well-formed rows as there are."""

_ROW: Final = re.compile(r"([FR]):(.*)\n(?:[Ma]:(.*)\n)?(?:Z:(.*)\n)?(?:a:(.*)\n)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageDirectory:
    """A directory as a package installs it; several packages may have one directory."""

    path: str
    """Absolute."""
    mode: int = 0o755
    """Permission, setuid, setgid and sticky bits: 0 to 0o7777."""
    uid: int = 0
    gid: int = 0
    xattrs: Digest | None = None
    """The digest of the extended attributes, where there are any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageFile:
    """A file, symbolic link or device as a package installs it. The database does not say which of these it is."""

    path: str
    """Absolute."""
    mode: int = 0o644
    """Permission, setuid, setgid and sticky bits: 0 to 0o7777."""
    uid: int = 0
    gid: int = 0
    digest: Digest | None = None
    """Of a file's bytes, or of a symbolic link's target; None where the package has none, as for devices."""
    xattrs: Digest | None = None
    """The digest of the extended attributes, where there are any."""


def parse_files(rows: str, *, truncated_sha256: bool) -> tuple[tuple[PackageFile, ...], tuple[PackageDirectory, ...]]:
    """Return the files and the directories that well-formed *rows* record.

    Args:
        rows: what ``ROWS`` matches.
        truncated_sha256: what a digest of 20 bytes is: see ``parse_digest``.
    """
    files: list[PackageFile] = []
    directories: list[PackageDirectory] = []
    for path, is_file, acl, digest in _rows(rows):
        mode, uid, gid, xattrs = _acl(acl, 0o644 if is_file else 0o755)
        attributes = parse_digest(xattrs, truncated_sha256=truncated_sha256)
        if is_file:
            found = parse_digest(digest, truncated_sha256=truncated_sha256)
            files.append(PackageFile(path=path, mode=mode, uid=uid, gid=gid, digest=found, xattrs=attributes))
        else:
            directories.append(PackageDirectory(path=path, mode=mode, uid=uid, gid=gid, xattrs=attributes))
    return tuple(files), tuple(directories)


def file_paths(rows: str) -> Iterator[str]:
    """Yield the absolute paths of the files that well-formed *rows* record; much faster than ``parse_files``."""
    directory = "/"
    for line in rows.split("\n"):
        if line[:2] == "F:":
            directory = _inside(line[2:])
        elif line[:2] == "R:":
            yield directory + line[2:]


def _rows(rows: str) -> Iterator[tuple[str, bool, str, str]]:
    """Yield path, whether it is a file, acl and digest of each row."""
    directory = "/"
    for kind, name, acl, digest, late_acl in _ROW.findall(rows):
        if kind == "R":
            yield directory + name, True, acl or late_acl, digest
        else:
            directory = _inside(name)
            yield directory.rstrip("/") or "/", False, acl, ""


def _inside(directory: str) -> str:
    return f"/{directory}/" if directory else "/"


def _acl(acl: str, mode: int) -> tuple[int, int, int, str]:
    """Return mode, uid, gid, and the text of the digest of the extended attributes."""
    if not acl:
        return mode, 0, 0, ""
    uid, gid, octal, *xattrs = acl.split(":")
    return int(octal, 8) & 0o7777, int(uid), int(gid), xattrs[0] if xattrs else ""
