"""The flattened tree of an image as a file of the store, which a second run reads in place of all layers.

Its name is the chain ID of the layers.
Spec: https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.image.spec.documents import digest_of
from pytest_alpine.rootfs.base import Entry
from pytest_alpine.rootfs.layers import Changeset, flatten, rootfs_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Raise this with every change of the content: a file of another format is made anew from the changesets.
_FORMAT: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredTree:
    """The tree that the layers of an image make."""

    entries: Mapping[str, Entry]
    """By absolute path."""
    tars: tuple[Path, ...]
    """The uncompressed layers, base first."""
    unpacked: int
    """Bytes of the regular files that each layer adds, summed over the layers."""
    rootfs: int
    """Bytes of the regular files of the tree, a hard link counted once."""


class _Entries(Mapping[str, Entry]):
    """Entries that are made on first use: most checks need only a few of them."""

    def __init__(self, rows: dict[str, list[Any]]) -> None:
        self._rows = rows
        self._made: dict[str, Entry] = {}

    def __getitem__(self, path: str) -> Entry:
        entry = self._made.get(path)
        if entry is None:
            kind, mode, uid, gid, size, target, layer, offset, *capabilities = self._rows[path]
            entry = self._made[path] = Entry(
                path=path,
                kind=kind,
                mode=mode,
                uid=uid,
                gid=gid,
                size=size,
                target=target,
                layer=layer,
                offset=offset,
                capabilities=capabilities[0] if capabilities else "",
            )
        return entry

    def __contains__(self, path: object) -> bool:
        return path in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def chain_id(diff_ids: Sequence[str]) -> str:
    """Return the digest that names the stack of the layers *diff_ids*, base first."""
    return reduce(lambda below, diff_id: digest_of(f"{below} {diff_id}".encode()), diff_ids)


def stack(changesets: Sequence[Changeset], tars: Sequence[Path], names: Sequence[str]) -> StoredTree:
    """Return the tree that *changesets*, base first, make; *tars* are their layers, *names* their names in messages.

    Raises:
        MalformedImage: a hard link to nothing, or an entry below something that is no directory.
    """
    entries = flatten(changesets, names)
    return StoredTree(
        entries=entries,
        tars=tuple(tars),
        unpacked=sum(changeset.size for changeset in changesets),
        rootfs=rootfs_size(entries.values()),
    )


def dump_tree(tree: StoredTree) -> bytes:
    """Return *tree* as a document."""
    # Few files have capabilities; the rows of the others are shorter.
    rows = {
        path: [e.kind, e.mode, e.uid, e.gid, e.size, e.target, e.layer, e.offset, *filter(None, [e.capabilities])]
        for path, e in tree.entries.items()
    }
    document = {
        "format": _FORMAT,
        "tar_sizes": [tar.stat().st_size for tar in tree.tars],
        "unpacked": tree.unpacked,
        "rootfs": tree.rootfs,
        "entries": rows,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def load_tree(path: Path, tars: Sequence[Path]) -> StoredTree | None:
    """Return the tree in the file *path*, or None if it, or one of the layers *tars*, is not complete."""
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != _FORMAT or document["tar_sizes"] != [tar.stat().st_size for tar in tars]:
            return None
        return StoredTree(
            entries=_Entries(document["entries"]),
            tars=tuple(tars),
            unpacked=document["unpacked"],
            rootfs=document["rootfs"],
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
