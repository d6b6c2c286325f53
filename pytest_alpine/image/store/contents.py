"""What the store holds: its files and unpacked root filesystems, and which image needs which of them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.image.store.stored_tree import chain_id
from pytest_alpine.image.store.uses import UseRecord, read_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PARTIAL: Final = ".partial"
"""The suffix of a root filesystem that is not, or no longer, complete."""

_NAMES: Final = "names"
_DOCUMENTS: Final = "documents"
_DIFF_IDS: Final = "diff-ids"
_ALGORITHMS: Final = ("sha256:", "sha512:")
# What mirrors of root filesystems said is kept as texts that tell no image.
_MIRRORS: Final = "minirootfs:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One file of the store, or one unpacked root filesystem."""

    path: Path
    size: int
    """Bytes; a hard link is counted once."""
    changed: float
    """When it was made: seconds since 1970."""
    keys: frozenset[str]
    """An image needs the item if it needs one of these: digests, diff IDs or chain IDs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredImage:
    """One image in the store."""

    record: UseRecord
    items: tuple[Item, ...]
    """What it needs; images share layers and documents."""
    is_replaced: bool
    """Whether its tag led to another image later."""

    @property
    def size(self) -> int:
        """Bytes of all that the image needs."""
        return sum(item.size for item in self.items)


@dataclass(frozen=True)
class Contents:
    """What the store held at one moment."""

    root: Path
    images: Sequence[StoredImage]
    """The least recently used one first."""
    items: Sequence[Item]

    @property
    def size(self) -> int:
        """Bytes of all items."""
        return sum(item.size for item in self.items)

    @cached_property
    def unneeded(self) -> Sequence[Item]:
        """The items that no image needs."""
        needed = {item.path for image in self.images for item in image.items}
        return [item for item in self.items if item.path not in needed]

    def alone(self, image: StoredImage) -> int:
        """Return the bytes that *image* needs and no other image does."""
        others = {item.path for other in self.images if other is not image for item in other.items}
        return sum(item.size for item in image.items if item.path not in others)


def read_contents(root: Path) -> Contents:
    """Return what the store *root* holds; what this user may not read is left out."""
    items = [*_files(root), *_roots(root)]
    documents = _links(item for item in items if item.path.parts[len(root.parts)] == _DOCUMENTS)
    records = read_records(root)
    newest = {(record.name.reference, record.name.platform): record for record in records}
    images = [
        StoredImage(
            record=record,
            items=tuple(item for item in items if not item.keys.isdisjoint(keys)),
            is_replaced=newest[record.name.reference, record.name.platform] is not record,
        )
        for record, keys in ((record, _keys(record, documents)) for record in records)
    ]
    return Contents(root, images, items)


def _keys(record: UseRecord, documents: Mapping[str, frozenset[str]]) -> frozenset[str]:
    own = {record.name.id, *record.diff_ids, *([record.digest] if record.digest else ())}
    tops = {name for name in documents if not own.isdisjoint(_below(name, documents))}
    mirror = {_MIRRORS} if record.name.reference.startswith(_MIRRORS) else frozenset[str]()
    chain = {chain_id(record.diff_ids)} if record.diff_ids else frozenset[str]()
    return frozenset(own).union(mirror, chain, tops, *(_below(name, documents) for name in tops))


def _below(top: str, documents: Mapping[str, frozenset[str]]) -> set[str]:
    """Return the documents that the document *top* names, and those that these name, and so on."""
    found: set[str] = set()
    ahead = [top]
    while ahead:
        new = documents.get(ahead.pop(), frozenset()) - found
        found |= new
        ahead += new
    return found


def _links(items: Iterator[Item]) -> dict[str, frozenset[str]]:
    """Return, by digest, which manifests and configurations each of the documents *items* names."""
    return {next(iter(item.keys)): _named_in(item.path) for item in items}


def _named_in(path: Path) -> frozenset[str]:
    try:
        document = json.loads(path.read_bytes())
        entries = [*document.get("manifests", ()), *filter(None, [document.get("config")])]
        return frozenset(filter(None, map(_digest, entries)))
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return frozenset()  # a configuration, or damaged


def _digest(entry: Any) -> str | None:  # noqa: ANN401 - any value of a document
    found = entry.get("digest") if isinstance(entry, dict) else None
    return found if isinstance(found, str) else None


def _files(root: Path) -> Iterator[Item]:
    for kind in ("layers", "trees", _DOCUMENTS, _DIFF_IDS, _NAMES):
        for entry in _scan(root / kind):
            for file in _scan(Path(entry.path)):
                try:
                    state = file.stat(follow_symlinks=False)
                    key = _key(kind, entry.name, file)
                except OSError:
                    continue  # another process has removed it
                keys = frozenset([key])
                yield Item(path=Path(file.path), size=state.st_size, changed=state.st_mtime, keys=keys)


def _key(kind: str, algorithm: str, file: os.DirEntry[str]) -> str:
    if kind not in {_DIFF_IDS, _NAMES}:
        return f"{algorithm}:{file.name.partition('.')[0]}"
    text = Path(file.path).read_bytes()[:_LONGEST].decode(errors="replace")
    return text if text.startswith(_ALGORITHMS) else _MIRRORS


_LONGEST: Final = len("sha512:") + 128


def _roots(root: Path) -> Iterator[Item]:
    for owner in _scan(root / "roots"):
        for folder in _scan(Path(owner.path)):
            if folder.name.endswith(PARTIAL):
                continue
            try:
                changed = folder.stat(follow_symlinks=False).st_mtime
            except OSError:
                continue
            keys = frozenset([folder.name.replace("-", ":", 1)])
            yield Item(path=Path(folder.path), size=_tree_size(folder.path), changed=changed, keys=keys)


def _tree_size(folder: str) -> int:
    sizes: dict[int, int] = {}
    ahead = [folder]
    while ahead:
        for entry in _scan(Path(ahead.pop())):
            try:
                if entry.is_dir(follow_symlinks=False):
                    ahead.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    sizes[entry.inode()] = entry.stat(follow_symlinks=False).st_size
            except OSError:
                continue
    return sum(sizes.values())


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []  # there is none, or it is another user's
