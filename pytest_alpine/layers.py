"""Filesystem changesets and how they stack into a root filesystem.

Spec: https://github.com/opencontainers/image-spec/blob/main/layer.md
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

from pytest_alpine.errors import FileNotInImage, MalformedImage
from pytest_alpine.rootfs import Entry, Kind, absolute, follow

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_BLOCK: Final = 512

_KINDS: Final[dict[bytes, Kind]] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.FIFOTYPE: "fifo",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HardLink:
    """A second name for a file of the same or a lower layer."""

    path: str
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Changeset:
    """What one layer changes, in the order of its tar."""

    added: tuple[Entry | HardLink, ...]
    removed: frozenset[str] = frozenset()
    """Paths of lower layers that are gone, with all below them."""
    opaque: frozenset[str] = frozenset()
    """Directories of lower layers whose contents are gone."""

    @property
    def size(self) -> int:
        """Bytes of the regular files that this layer adds, a hard link counted once."""
        return sum(item.size for item in self.added if isinstance(item, Entry))


def read_changeset(path: Path, where: str) -> Changeset:
    """Return what the uncompressed layer tar at *path* changes; no file contents are read.

    Raises:
        MalformedImage: not a tar, truncated, a name outside the tree, or a member that no layer may hold;
            the message begins with *where*.
    """
    added: list[Entry | HardLink] = []
    removed, opaque = set(), set()
    with path.open("rb") as stream, _tar_errors(where):
        for member in _members(stream, where):
            name = _inside(member.name, where, "name")
            directory, base = posixpath.split(name)
            if base == _OPAQUE:
                opaque.add(directory)
            elif base.startswith(_WHITEOUT):
                # Other names that begin with .wh..wh. are bookkeeping of AUFS, not files.
                if not base.startswith(_WHITEOUT * 2):
                    removed.add(posixpath.join(directory, base.removeprefix(_WHITEOUT)))
            else:
                added.append(_entry(member, name, where))
    return Changeset(added=tuple(added), removed=frozenset(removed), opaque=frozenset(opaque))


def flatten(changesets: Sequence[Changeset]) -> dict[str, Entry]:
    """Stack *changesets*, base first, into one tree: absolute paths and their entries.

    Raises:
        MalformedImage: a hard link to nothing, or an entry below something that is no directory.
    """
    tree: dict[str, Entry] = {"/": Entry(path="/", kind="directory", mode=0o755)}
    for number, changeset in enumerate(changesets):
        # Whiteouts bind lower layers only, wherever they stand in the tar (layer.md, "Whiteouts").
        if changeset.removed or changeset.opaque:
            tree = _without(tree, changeset)
        for item in changeset.added:
            _add(tree, item, number)
    return tree


class LayeredRootFS:
    """The root filesystem of an image: a flattened tree over its uncompressed layer tars."""

    def __init__(self, tree: Mapping[str, Entry], tars: Sequence[Path]) -> None:
        self._tree = tree
        self._tars = tars

    def read(self, path: str, limit: int | None = None) -> bytes:
        """Return the bytes of the regular file that *path* leads to, at most *limit* of them."""
        entry = self.stat(path)
        if entry.kind != "file":
            raise FileNotInImage(f"{absolute(path)} is a {entry.kind}, not a regular file")
        with self._tars[entry.layer].open("rb") as tar:
            tar.seek(entry.offset)
            return tar.read(entry.size if limit is None else min(entry.size, limit))

    def exists(self, path: str) -> bool:
        """Whether *path* leads to anything, links followed."""
        try:
            return follow(self._tree.get, path) is not None
        except FileNotInImage:
            return False

    def stat(self, path: str) -> Entry:
        """Return what *path* leads to, links followed."""
        found = follow(self._tree.get, path)
        if found is None:
            raise FileNotInImage(f"no such file or directory: {absolute(path)}")
        return found

    def lstat(self, path: str) -> Entry | None:
        """Return what stands at *path* itself."""
        try:
            return follow(self._tree.get, path, last=False)
        except FileNotInImage:
            return None

    def walk(self, top: str = "/") -> Iterator[Entry]:
        """Yield all entries at and below *top*, by path."""
        start = self.stat(top).path
        below = start.rstrip("/") + "/"
        for path in sorted(self._tree):
            if path == start or path.startswith(below):
                yield self._tree[path]

    def resolve(self, path: str) -> str:
        """Return the absolute path without links that *path* leads to."""
        return self.stat(path).path


def rootfs_size(entries: Iterable[Entry]) -> int:
    """Return the bytes of the regular files among *entries*, a hard link counted once."""
    return sum({(entry.layer, entry.offset): entry.size for entry in entries if entry.kind == "file"}.values())


@contextmanager
def _tar_errors(where: str) -> Iterator[None]:
    try:
        yield
    # tarfile raises the last three on headers that its checksum does not protect.
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise MalformedImage(f"{where}: not a readable tar archive: {error}") from error


def _members(stream: IO[bytes], where: str) -> Iterator[tarfile.TarInfo]:
    end = stream.seek(0, 2)
    stream.seek(0)
    with tarfile.open(fileobj=stream, mode="r:", errors="surrogateescape", encoding="utf-8") as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # else every header of a large layer stays in memory
            if member.offset_data + (member.size if member.isreg() else 0) > end:
                raise MalformedImage(f"{where}: truncated in the middle of {member.name!r}")
            yield member
        # tarfile takes any broken header but the first for the end of the archive.
        stream.seek(tar.offset)
        if stream.read(_BLOCK).strip(b"\0"):
            raise MalformedImage(f"{where}: broken tar header at byte {tar.offset}")


def _inside(name: str, where: str, what: str) -> str:
    if name.startswith("/"):
        raise MalformedImage(f"{where}: absolute {what} {name!r} (expected one relative to the image's root)")
    if ".." in name.split("/"):
        raise MalformedImage(f"{where}: {what} {name!r} leads out of the image")
    return absolute(name)


def _entry(member: tarfile.TarInfo, name: str, where: str) -> Entry | HardLink:
    if member.type == tarfile.LNKTYPE:
        return HardLink(path=name, target=_inside(member.linkname.removeprefix("/"), where, "hard link target"))
    kind = _KINDS.get(member.type)
    if kind is None or member.issparse():
        what = "sparse file" if member.issparse() else f"member of unknown type {member.type!r}:"
        raise MalformedImage(f"{where}: {what} {member.name!r} (expected a plain file, directory, link or device)")
    return Entry(
        path=name,
        kind=kind,
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        size=member.size if kind == "file" else 0,
        target=member.linkname if kind == "symlink" else "",
        offset=member.offset_data if kind == "file" else -1,
    )


def _without(tree: dict[str, Entry], changeset: Changeset) -> dict[str, Entry]:
    removed = {_real(tree, path) for path in changeset.removed}
    opaque = {_real(tree, posixpath.join(path, "x"))[:-2] or "/" for path in changeset.opaque}
    return {path: entry for path, entry in tree.items() if path == "/" or not _hidden(path, removed, opaque)}


def _hidden(path: str, removed: set[str], opaque: set[str]) -> bool:
    if path in removed:
        return True
    while path != "/":
        path = posixpath.dirname(path)
        if path in removed or path in opaque:
            return True
    return False


def _real(tree: Mapping[str, Entry], path: str) -> str:
    """Return *path* with the links in its directories followed; a layer may write through a lower layer's link."""
    directory, base = posixpath.split(path)
    entry = tree.get(directory)
    if entry is not None and entry.kind == "directory":
        return path
    try:
        found = follow(tree.get, directory)
    except FileNotInImage as error:
        raise MalformedImage(f"cannot place {path!r}: {error}") from error
    return path if found is None else posixpath.join(found.path, base)


def _add(tree: dict[str, Entry], item: Entry | HardLink, layer: int) -> None:
    path = _real(tree, item.path)
    if path == "/":
        if isinstance(item, Entry) and item.kind == "directory":
            tree["/"] = replace(item, layer=layer)
        return
    _make_parents(tree, posixpath.dirname(path), layer)
    if isinstance(item, HardLink):
        target = tree.get(_real(tree, item.target))
        if target is None or target.kind == "directory":
            raise MalformedImage(f"layer {layer}: hard link {item.path!r} to {item.target!r}, which is not in the image")
        entry = replace(target, path=path)
    else:
        entry = replace(item, path=path, layer=layer) if layer or path != item.path else item
    old = tree.get(path)
    if old is not None and old.kind == "directory" and entry.kind != "directory":
        below = path + "/"
        for gone in [name for name in tree if name.startswith(below)]:
            del tree[gone]
    tree[path] = entry


def _make_parents(tree: dict[str, Entry], directory: str, layer: int) -> None:
    entry = tree.get(directory)
    if entry is None:
        _make_parents(tree, posixpath.dirname(directory), layer)
        tree[directory] = Entry(path=directory, kind="directory", mode=0o755, layer=layer)
    elif entry.kind != "directory":
        raise MalformedImage(f"layer {layer}: {directory!r} is a {entry.kind}, yet files are placed in it")
