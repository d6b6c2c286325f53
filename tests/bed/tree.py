"""A root filesystem that is built step by step: members by path, written as a reproducible tar."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field
from posixpath import dirname
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bed.debian import Deb


@dataclass(kw_only=True, slots=True)
class Tree:
    """Members by path, without a leading slash; ``mtime`` (seconds since 1970) is that of entries added by hand."""

    mtime: int
    members: dict[str, tuple[tarfile.TarInfo, bytes]] = field(default_factory=dict)

    def unpack(self, package: Deb) -> None:
        """Add all files that *package* installs, unchanged."""
        with package.files() as tar:
            for member in tar.getmembers():
                name = member.name.removeprefix("./")
                if name == ".":
                    continue
                stream = tar.extractfile(member) if member.isfile() else None
                member.name = name
                self.members[name] = (member, stream.read() if stream else b"")

    def folder(self, path: str, mode: int = 0o755) -> None:
        """Add a directory, and those above it that are not there."""
        if dirname(path):
            self.folder(dirname(path))
        self.members.setdefault(path, (self._member(path, tarfile.DIRTYPE, mode), b""))

    def file(self, path: str, text: str, mode: int = 0o644) -> None:
        """Add a regular file."""
        self._parent(path)
        member = self._member(path, tarfile.REGTYPE, mode)
        member.size = len(text.encode())
        self.members[path] = (member, text.encode())

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link, unless something is at *path* already."""
        self._parent(path)
        member = self._member(path, tarfile.SYMTYPE, 0o777)
        member.linkname = target
        self.members.setdefault(path, (member, b""))

    def tar(self) -> bytes:
        """The whole tree as an uncompressed tar, parents before their children."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for path in sorted(self.members):
                member, data = self.members[path]
                tar.addfile(member, io.BytesIO(data))
        return stream.getvalue()

    def _parent(self, path: str) -> None:
        if dirname(path) and dirname(path) not in self.members:
            self.folder(dirname(path))

    def _member(self, path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
        member = tarfile.TarInfo(path)
        member.type, member.mode, member.mtime = kind, mode, self.mtime
        return member
