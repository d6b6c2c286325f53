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
    """The changes of one layer, in the order of its tar."""

    added: tuple[Entry | HardLink, ...]
    removed: frozenset[str] = frozenset()
    """Paths of lower layers that it removes, with everything below them."""
    opaque: frozenset[str] = frozenset()
    """Directories of lower layers whose contents it removes."""

    @property
    def size(self) -> int:
        """Bytes of the regular files that this layer adds. A file with hard links, or added twice, counts once."""
        return sum({item.path: item.size for item in self.added if isinstance(item, Entry)}.values())


def read_changeset(path: Path, where: str) -> Changeset:
    """Return the changes in the uncompressed layer tar at *path*; reads no file contents.

    Raises:
        MalformedImage: the file is not a tar, is truncated, or has a whiteout without a name or a member that is not
            allowed in a layer. The message begins with *where*.
    """
    if not path.stat().st_size:  # engines write an empty layer for an empty import
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
                # An opaque root has no effect: overlayfs always merges the root directories of layers.
                opaque.update({directory} - {""})
            # At the root, other names that begin with .wh..wh. are AUFS's own records, not whiteouts.
            elif directory or not base.startswith(_WHITEOUT * 2):
                removed.add(f"{directory}/{_hidden_name(base, where)}")
    return Changeset(added=tuple(added), removed=frozenset(removed), opaque=frozenset(opaque))


def flatten(changesets: Sequence[Changeset], names: Sequence[str] = ()) -> dict[str, Entry]:
    """Stack *changesets*, base first, into one tree: absolute paths and their entries.

    Messages contain the *names* of the layers, or their numbers if there are no names.

    Raises:
        MalformedImage: a hard link has no target, or an entry is below something that is not a directory.
    """
    tree = Tree()
    for number, changeset in enumerate(changesets):
        # Whiteouts apply to lower layers only, at any position in the tar (layer.md, "Whiteouts"). If the layer also
        # adds a directory at the path, overlayfs merges it with the lower one, unless it is opaque.
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
    """The root filesystem of an image: a flattened tree, and the uncompressed layer tars that it refers to."""

    def __init__(self, tree: Mapping[str, Entry], tars: Sequence[Path], use: object = None) -> None:
        """Look at a tree.

        Args:
            tree: its entries, by absolute path.
            tars: the layers, base first.
            use: keeps the files *tars* from being removed as long as it is referred to.
        """
        self._tree = tree
        self._tars = tars
        self._use = use

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
        """Return the entry that *path* leads to, or None; follows links."""
        # Most paths are keys of the tree, which contain no links.
        found = self._tree.get(path)
        return super().find(path) if found is None or found.kind == "symlink" else found

    def walk(self, top: str = "/") -> Iterator[Entry]:
        """Yield all entries at and below *top*, sorted by path."""
        start = self.stat(top)
        yield start
        prefix = start.path.rstrip("/")
        # "0" follows "/" in ASCII, so that all paths that begin with "PREFIX/" are between the two.
        below = self._paths[bisect_left(self._paths, f"{prefix}/") : bisect_left(self._paths, f"{prefix}0")]
        yield from (self._tree[path] for path in below if path != "/")

    @cached_property
    def _paths(self) -> list[str]:
        return sorted(self._tree)


def rootfs_size(entries: Iterable[Entry]) -> int:
    """Return the bytes of the regular files among *entries*. A file with hard links counts once."""
    return sum({(entry.layer, entry.offset): entry.size for entry in entries if entry.kind == "file"}.values())


def _place(name: str) -> str:
    """Return the path of a member with this *name*; as in engines, a first slash and ``..`` at the root are ignored."""
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
