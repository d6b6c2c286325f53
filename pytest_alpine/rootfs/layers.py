"""Filesystem changesets and how they stack into a root filesystem.

Spec: https://github.com/opencontainers/image-spec/blob/main/layer.md
"""

from __future__ import annotations

import posixpath
import tarfile
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Final

from pytest_alpine.errors import MalformedImage
from pytest_alpine.rootfs.base import Entry, SeekableRootFS, absolute
from pytest_alpine.rootfs.file_part import open_part, read_part
from pytest_alpine.rootfs.lookup import LookupRootFS
from pytest_alpine.rootfs.tar import entry_of, members
from pytest_alpine.rootfs.tree import LayerTree, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_alpine.rootfs.lookup import Lookup

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"


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
        """Bytes of the regular files that this layer adds, a hard link counted once, the last of two equal names."""
        return sum({item.path: item.size for item in self.added if isinstance(item, Entry)}.values())


def read_changeset(path: Path, where: str) -> Changeset:
    """Return what the uncompressed layer tar at *path* changes; no file contents are read.

    Raises:
        MalformedImage: not a tar, truncated, a whiteout of no name, or a member that no layer may hold; the
            message begins with *where*.
    """
    if not path.stat().st_size:  # what engines make of an import of nothing
        return Changeset(added=())
    added: list[Entry | HardLink] = []
    removed, opaque = set(), set()
    with path.open("rb") as stream:
        for member in members(stream, where):
            name = _place(member.name)
            directory, _, base = name.rpartition("/")
            if not base.startswith(_WHITEOUT):
                added.append(_entry(member, name, where))
            elif base == _OPAQUE:
                # The root directories of layers are merged whatever they say: overlayfs knows no opaque root.
                opaque.update({directory} - {""})
            # Other names that begin with .wh..wh. are bookkeeping of AUFS at the root, and no files.
            elif directory or not base.startswith(_WHITEOUT * 2):
                removed.add(f"{directory}/{_hidden_name(base, where)}")
    return Changeset(added=tuple(added), removed=frozenset(removed), opaque=frozenset(opaque))


def flatten(changesets: Sequence[Changeset], names: Sequence[str] = ()) -> dict[str, Entry]:
    """Stack *changesets*, base first, into one tree: absolute paths and their entries.

    Messages call the layers by their *names*, else by their numbers.

    Raises:
        MalformedImage: a hard link to nothing, or an entry below something that is no directory.
    """
    tree = Tree()
    for number, changeset in enumerate(changesets):
        # Whiteouts bind lower layers only, wherever they stand in the tar (layer.md, "Whiteouts"). A directory that
        # the layer brings itself is merged with the lower one all the same: overlayfs needs it to be opaque.
        made = {item.path for item in changeset.added if isinstance(item, Entry) and item.kind == "directory"}
        for path in changeset.removed - made:
            tree.remove(path)
        for path in changeset.opaque:
            tree.empty(path)
        layer = LayerTree(tree, number, names[number] if names else f"layer {number}")
        for item in changeset.added:
            if isinstance(item, Entry):
                layer.add(item)
            else:
                layer.link(item.path, item.target)
        layer.hide(changeset.removed, changeset.opaque)
        tree.lay(layer)
    return tree.entries


class LayeredRootFS(LookupRootFS):
    """The root filesystem of an image: a flattened tree over its uncompressed layer tars."""

    def __init__(self, tree: Mapping[str, Entry], tars: Sequence[Path]) -> None:
        self._tree = tree
        self._tars = tars

    def read(self, path: str, limit: int | None = None) -> bytes:
        """Return the bytes of the regular file that *path* leads to, at most *limit* of them."""
        entry = self.stat_file(path)
        length = entry.size if limit is None else min(entry.size, limit)
        return read_part(self._tars[entry.layer], entry.offset, length)

    def open(self, path: str) -> IO[bytes]:
        """Open the regular file that *path* leads to, for seeking and reading."""
        entry = self.stat_file(path)
        return open_part(self._tars[entry.layer], entry.offset, entry.size)

    def lookup(self, path: str) -> Lookup:  # noqa: ARG002 - one look-up for all
        """Return the look-up for one walk along *path*."""
        return self._tree.get

    def find(self, path: str) -> Entry | None:
        """Return what *path* leads to, links followed, or None."""
        # Most paths come out of the tree itself, whose keys lead through no links.
        found = self._tree.get(path)
        return super().find(path) if found is None or found.kind == "symlink" else found

    def walk(self, top: str = "/") -> Iterator[Entry]:
        """Yield all entries at and below *top*, by path."""
        start = self.stat(top)
        yield start
        prefix = start.path.rstrip("/")
        # "0" follows "/" in ASCII: what begins with "PREFIX/" stands between the two.
        below = self._paths[bisect_left(self._paths, f"{prefix}/") : bisect_left(self._paths, f"{prefix}0")]
        yield from (self._tree[path] for path in below if path != "/")

    @cached_property
    def _paths(self) -> list[str]:
        return sorted(self._tree)


def rootfs_size(entries: Iterable[Entry]) -> int:
    """Return the bytes of the regular files among *entries*, a hard link counted once."""
    return sum({(entry.layer, entry.offset): entry.size for entry in entries if entry.kind == "file"}.values())


def _place(name: str) -> str:
    """Return where engines put a member with this *name*: a first slash and ``..`` at the root mean nothing."""
    return absolute(posixpath.normpath(f"/{name}") if ".." in name else name)


def _hidden_name(base: str, where: str) -> str:
    name = base.removeprefix(_WHITEOUT)
    if name in {"", ".", ".."}:
        raise MalformedImage(f"{where}: whiteout {base!r} (expected {_WHITEOUT!r} and a name)")
    return name


def _entry(member: tarfile.TarInfo, name: str, where: str) -> Entry | HardLink:
    if member.type == tarfile.LNKTYPE:
        return HardLink(path=name, target=_place(member.linkname))
    entry = entry_of(member, name)
    if entry is None:
        what = "sparse file" if member.issparse() else f"member of unknown type {member.type!r}:"
        raise MalformedImage(f"{where}: {what} {member.name!r} (expected a plain file, directory, link or device)")
    return entry


if TYPE_CHECKING:
    _: type[SeekableRootFS] = LayeredRootFS
