"""Changesets as files of the store: one JSON document per layer, in a form that loads fast."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.rootfs.base import Entry
from pytest_alpine.rootfs.layers import Changeset, HardLink

if TYPE_CHECKING:
    from pathlib import Path

# Raise this with every change of the content: a file of another format is made anew from its layer.
_FORMAT: Final = 3


def dump_changeset(changeset: Changeset, tar_size: int) -> bytes:
    """Return *changeset* as a document; *tar_size* is the length of its layer's tar in bytes."""
    document = {
        "format": _FORMAT,
        "tar_size": tar_size,
        "added": [_row(item) for item in changeset.added],
        "removed": sorted(changeset.removed),
        "opaque": sorted(changeset.opaque),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def load_changeset(path: Path, tar: Path) -> Changeset | None:
    """Return the changeset in the file *path*, or None if it, or its layer *tar*, is not complete."""
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != _FORMAT or tar.stat().st_size != document["tar_size"]:
            return None
        return Changeset(
            added=tuple([_item(*row) for row in document["added"]]),
            removed=frozenset(document["removed"]),
            opaque=frozenset(document["opaque"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _row(item: Entry | HardLink) -> list[Any]:
    if isinstance(item, HardLink):
        return [item.path, item.target]
    row = [item.path, item.target, item.kind, item.mode, item.uid, item.gid, item.size, item.offset]
    return [*row, item.capabilities] if item.capabilities else row


def _item(path: str, target: str, kind: Any = None, *rest: Any) -> Entry | HardLink:  # noqa: ANN401 - a Kind, from our own file
    if kind is None:
        return HardLink(path=path, target=target)
    mode, uid, gid, size, offset, *capabilities = rest
    return Entry(
        path=path,
        target=target,
        kind=kind,
        mode=mode,
        uid=uid,
        gid=gid,
        size=size,
        offset=offset,
        capabilities=capabilities[0] if capabilities else "",
    )
