"""Files of lower layers that no container shows: another layer deletes or replaces them, and they ship all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_alpine.rootfs.base import Entry
from pytest_alpine.rootfs.file_part import read_part

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_alpine.image.image import Image


@dataclass(frozen=True, kw_only=True, slots=True)
class HiddenFile:
    """A regular file of one layer that is not in the root filesystem."""

    entry: Entry
    layer: int
    """The number of its layer, from 0."""
    replaced: bool
    """Whether something else has its path; else a layer above deletes it."""
    tar: Path
    """The uncompressed layer."""

    def read(self) -> bytes:
        """Return its content.

        Raises:
            ImageError: the layer is gone from the local store.
        """
        return read_part(self.tar, self.entry.offset, self.entry.size)


def hidden_files(image: Image) -> Iterator[HiddenFile]:
    """Yield the files with content that layers of *image* have, and its root filesystem has not."""
    if image.size.unpacked == image.size.rootfs:
        return  # all bytes are seen; to find out which are not, what each layer changes must be read
    tree = image.entries
    seen = {(entry.layer, entry.offset) for entry in tree.values() if entry.is_file}
    for number, layer in enumerate(image.stored_layers):
        for item in layer.changeset.added:
            if isinstance(item, Entry) and item.size and (number, item.offset) not in seen:
                yield HiddenFile(entry=item, layer=number, replaced=item.path in tree, tar=layer.tar)
