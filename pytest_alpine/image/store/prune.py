"""Removing from the store what nothing uses, beside any number of processes that read and write it.

What a process has open stays: the process holds a lock on the image's record. New records wait while files are
removed. A process that finds a file gone all the same reads it from its source again. A prune that is killed leaves
files that no image needs, and the next one removes them.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_alpine.image.store.contents import PARTIAL, Contents, Item, StoredImage, read_contents
from pytest_alpine.image.store.folders import remove_tree
from pytest_alpine.image.store.incoming import remove_abandoned
from pytest_alpine.image.store.uses import guard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_alpine.image.store.store import Store

GRACE: Final = 3600.0
"""Seconds for which a file that no image needs stays: a process may be about to note the image that does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What goes, beside the images that a tag led to earlier: nothing by default."""

    unused_for: float | None = None
    """Images that were not used for so many seconds."""
    keep: int | None = None
    """Images, the least recently used first, until the store holds so many bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What was removed."""

    images: tuple[StoredImage, ...]
    size: int
    """Bytes that were removed."""
    left: int
    """Bytes that the store holds now."""
    problems: tuple[str, ...] = ()
    """Why files could not be removed."""


def prune(store: Store, policy: Policy) -> Pruned:
    """Remove from *store* what *policy* says, and what no image needs; images that a process uses stay.

    Raises:
        StoreError: the store cannot be written.
    """
    if not store.root.is_dir():
        return Pruned(images=(), size=0, left=0)
    remove_abandoned(store.root / "incoming")
    with guard(store.root):
        contents = read_contents(store.root)
        pruning = _Pruning(contents, policy)
        pruning.drop_images()
        problems = tuple(pruning.remove())
    removed = sum(item.size for item in pruning.removed)
    return Pruned(images=tuple(pruning.dropped), size=removed, left=contents.size - removed, problems=problems)


@dataclass
class _Pruning:
    """One prune: which images go, and which items with them."""

    contents: Contents
    policy: Policy
    dropped: list[StoredImage] = field(default_factory=list)
    removed: list[Item] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._now = time.time()
        self._problems: list[str] = []
        self._needs = Counter(item.path for image in self.contents.images for item in image.items)
        self._needs.update(_in_sandboxes(self.contents.root))
        self._going = [item for item in self.contents.unneeded if self._is_old(item) and not self._needs[item.path]]
        self._left = self.contents.size - sum(item.size for item in self._going)

    def drop_images(self) -> None:
        """Choose the images that go, and drop their records."""
        # Images that nothing leads to any more go first.
        for image in sorted(self.contents.images, key=lambda image: not image.is_replaced):
            if self._is_to_go(image) and self._dropped(image):
                self.dropped.append(image)
                self._needs.subtract(item.path for item in image.items)
                free = [item for item in image.items if not self._needs[item.path]]
                self._going += free
                self._left -= sum(item.size for item in free)

    def remove(self) -> Iterator[str]:
        """Remove the items that go, and yield why some could not be removed."""
        for item in _in_order(self._going):
            try:
                _remove(item.path)
            except OSError as error:
                self._problems.append(f"cannot remove {item.path}: {error.strerror or error}")
            else:
                self.removed.append(item)
        yield from self._problems

    def _is_to_go(self, image: StoredImage) -> bool:
        limit, unused = self.policy.keep, self._now - image.record.last_use
        return (
            image.is_replaced
            or (self.policy.unused_for is not None and unused >= self.policy.unused_for)
            or (limit is not None and self._left > limit)
        )

    def _dropped(self, image: StoredImage) -> bool:
        try:
            return image.record.drop()
        except OSError as error:
            self._problems.append(f"cannot remove {image.record.path}: {error.strerror or error}")
            return False

    def _is_old(self, item: Item) -> bool:
        return self._now - item.changed >= GRACE


def _in_sandboxes(root: Path) -> Iterator[Path]:
    """Yield the root filesystems below which sandboxes run, which may outlive the process that started them."""
    for link in (root / "containers").glob("*/lower"):
        with suppress(OSError):
            yield link.readlink()


def _in_order(items: Iterable[Item]) -> list[Item]:
    """Return *items* so that what tells that a layer is complete goes before the layer."""
    return sorted(items, key=lambda item: item.path.suffix != ".json")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        # Nobody sees half of it, and engines remove what is left of it if this process is killed.
        gone = path.with_name(f"{secrets.token_hex(8)}{PARTIAL}")
        path.rename(gone)
        remove_tree(gone)
    else:
        path.unlink(missing_ok=True)
