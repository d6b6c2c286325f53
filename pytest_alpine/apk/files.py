"""The files and directories of a package, and the database rows that record them.

Each row is one line with one field: ``F:directory``, or ``R:file`` in the last directory; ``M:acl`` of the last
directory; ``a:acl`` and ``Z:digest`` of the last file. An acl is ``uid:gid:mode[:digest of the extended attributes]``.
The root directory is an empty ``F:``. apk writes ``F:directory [M:acl] {R:file [a:acl] [Z:digest]}``, and reads the
rows in any order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.digest import PATTERN as DIGEST, Digest, parse_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

_ACL: Final = rf"[0-9]{{1,10}}:[0-9]{{1,10}}:[0-7]{{1,7}}(?::{DIGEST})?"

_DIRECTORY_ROW: Final = rf"F:.*\n|M:{_ACL}\n"
_FILE_ROW: Final = rf"R:.+\n|a:{_ACL}\n|Z:{DIGEST}\n"

# The rows that may follow a file, the rows that may follow a directory, and the first rows of a package.
_AFTER_FILE: Final = rf"(?:{_FILE_ROW}|{_DIRECTORY_ROW})*"
_AFTER_DIRECTORY: Final = rf"(?:{_DIRECTORY_ROW})*(?:R:.+\n{_AFTER_FILE})?"
_FROM_START: Final = re.compile(rf"F:.*\n{_AFTER_DIRECTORY}")
_FROM_DIRECTORY: Final = re.compile(_AFTER_DIRECTORY)
_FROM_FILE: Final = re.compile(_AFTER_FILE)

ROW_LETTERS: Final = "FRMaZ"


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageDirectory:
    """A directory as a package installs it; several packages may install the same directory."""

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
    """The digest of a file's bytes, or of a symbolic link's target; None if there is none, as for devices."""
    xattrs: Digest | None = None
    """The digest of the extended attributes, where there are any."""


def find_rows(text: str, start: int, end: int, before: str) -> str:
    """Return the longest run of well-formed rows at *start*; empty if the first line is not such a row.

    Args:
        text: the database.
        start: the offset of the first row in *text*.
        end: the offset of the end of the package.
        before: the rows of this package up to *start*: ``M``, ``R``, ``a`` and ``Z`` refer to the last of them.
    """
    after = _FROM_FILE if "\nR:" in before else _FROM_DIRECTORY
    match = (after if before else _FROM_START).match(text, start, end)
    return match[0] if match is not None else ""


def parse_files(rows: str, *, truncated_sha256: bool) -> tuple[tuple[PackageFile, ...], tuple[PackageDirectory, ...]]:
    """Return the files and the directories that well-formed *rows* record, each once.

    Args:
        rows: as ``find_rows`` returns them.
        truncated_sha256: see ``parse_digest``.
    """
    read = _Rows()
    for line in rows.split("\n")[:-1]:
        read.add(line[0], line[2:])
    files, directories = [], []
    for path, (acl, digest) in read.files.items():
        mode, uid, gid, xattrs = _acl(acl, 0o644)
        found = parse_digest(digest, truncated_sha256=truncated_sha256)
        attributes = parse_digest(xattrs, truncated_sha256=truncated_sha256)
        files.append(PackageFile(path=path, mode=mode, uid=uid, gid=gid, digest=found, xattrs=attributes))
    for path, acl in read.directories.items():
        mode, uid, gid, xattrs = _acl(acl, 0o755)
        attributes = parse_digest(xattrs, truncated_sha256=truncated_sha256)
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


class _Rows:
    """The rows of one package, read one after the other. A later row for the same path replaces an earlier one."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[str, str]] = {}
        """The acl and the digest of each file."""
        self.directories: dict[str, str] = {}
        """The acl of each directory."""
        self._prefix = self._directory = "/"
        self._file = ""

    def add(self, letter: str, value: str) -> None:
        """Read one row."""
        if letter == "R":
            self._file = self._prefix + value
            self.files.setdefault(self._file, ("", ""))
        elif letter == "Z":
            self.files[self._file] = (self.files[self._file][0], value)
        elif letter == "a":
            self.files[self._file] = (value, self.files[self._file][1])
        elif letter == "F":
            self._prefix = _inside(value)
            self._directory = self._prefix.rstrip("/") or "/"
            self.directories.setdefault(self._directory, "")
        else:
            self.directories[self._directory] = value


def _inside(directory: str) -> str:
    return f"/{directory}/" if directory else "/"


def _acl(acl: str, mode: int) -> tuple[int, int, int, str]:
    """Return mode, uid, gid, and the text of the digest of the extended attributes."""
    if not acl:
        return mode, 0, 0, ""
    uid, gid, octal, *xattrs = acl.split(":")
    return int(octal, 8) & 0o7777, int(uid), int(gid), xattrs[0] if xattrs else ""
