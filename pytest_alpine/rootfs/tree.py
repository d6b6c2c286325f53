"""Trees of entries that layers are stacked in.

Engines unpack each layer into a folder of its own, and overlayfs merges the folders. This module does the same: the
path of a member may lead through symbolic links of its own layer, but not through those of lower layers.
Spec: https://github.com/opencontainers/image-spec/blob/main/layer.md, "Applying Changesets"
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import FileNotInImage, MalformedImage
from pytest_alpine.rootfs.base import Entry, parts
from pytest_alpine.rootfs.lookup import MAX_LINKS, follow

if TYPE_CHECKING:
    from collections.abc import Iterable

# Bytes in the paths of implied directories: a layer has files in them, but no member for them. Ordinary images have
# few. One path of a few kilobytes can imply two thousand directories, which take four megabytes.
_MAX_IMPLIED: Final = 64 << 20


class Tree:
    """Entries by their absolute paths. For any layers, the time is proportional to their size."""

    def __init__(self) -> None:
        """Start with the root directory alone."""
        self.entries = {"/": Entry(path="/", kind="directory", mode=0o755)}
        self.implied = 0
        """Bytes in the paths of implied directories."""
        self._below: dict[str, set[str]] = {}

    def find(self, path: str, *, last: bool) -> Entry | None:
        """Return the entry that *path* leads to, or None; follows links, with *last* also one at its end."""
        try:
            return follow(self.entries.get, path, last=last)
        except FileNotInImage:  # a loop of links
            return None

    def put(self, directory: str, entry: Entry) -> None:
        """Put *entry* into *directory*. If it is not a directory, remove everything below its path."""
        if entry.kind != "directory":
            self.empty(entry.path)
        self.entries[entry.path] = entry
        if entry.path != directory:  # only the root directory contains itself
            self._below.setdefault(directory, set()).add(entry.path)

    def remove(self, path: str) -> None:
        """Remove the entry at exactly *path*, and everything below it."""
        if self.entries.pop(path, None) is not None:
            self._below[_parent(path)].discard(path)
            self.empty(path)

    def empty(self, path: str) -> None:
        """Remove everything below exactly *path*."""
        pending = [path]
        while pending:
            children = self._below.pop(pending.pop(), ())
            pending.extend(children)
            for child in children:
                del self.entries[child]

    def lay(self, layer: LayerTree) -> None:
        """Merge the entries of *layer* into this tree."""
        if len(self.entries) == 1:
            self.entries, self._below = layer.entries, layer._below  # noqa: SLF001 - a Tree itself
            return
        for path, entry in layer.entries.items():
            known = self.entries.get(path)
            if known is None or known.kind != "directory" or path not in layer.implied_paths:
                self.put(_parent(path), entry)


class LayerTree(Tree):
    """The entries of one layer, and the directories that they imply."""

    def __init__(self, lower: Tree, number: int, name: str) -> None:
        """Start layer *number* on top of *lower*; messages contain its *name*."""
        super().__init__()
        self.implied_paths = {"/"}
        """The paths of implied directories. In the merged tree, they keep owner and mode of the lower layer."""
        self._lower = lower
        self._number = number
        self._name = name

    def add(self, entry: Entry) -> None:
        """Put *entry* at its path.

        Raises:
            MalformedImage: the path is below something that is not a directory.
        """
        directory, _, name = entry.path.rpartition("/")
        if name:
            self._put(directory or "/", name, entry)
        elif entry.kind == "directory":  # engines ignore any other member with the name of the root
            self.implied_paths.discard("/")
            self.entries["/"] = replace(entry, layer=self._number)

    def link(self, path: str, target: str) -> None:
        """Give the file at *target* a second name, *path*.

        Raises:
            MalformedImage: *target* is not a file of this or a lower layer, or *path* is not below a directory.
        """
        directory, _, name = path.rpartition("/")
        if not name:
            return
        found = self.find(target, last=False) or self._lower.find(target, last=False)
        if found is None or found.kind == "directory":
            raise MalformedImage(f"{self._name}: hard link {path!r} to {target!r}, which is not in the image")
        self._put(directory or "/", name, found, layer=found.layer)

    def hide(self, removed: Iterable[str], opaque: Iterable[str]) -> None:
        """Apply whiteouts whose paths lead through links of this layer, and add the directories that whiteouts imply.

        Args:
            removed: the paths that whiteouts remove.
            opaque: the directories whose contents in lower layers are hidden.

        Raises:
            MalformedImage: the layer implies too many directories.
        """
        for path in removed:
            directory, _, name = path.rpartition("/")
            found = self._reach(directory or "/")
            place = f"{found.path.rstrip('/')}/{name}"
            if found.kind == "directory" and place != path and place not in self.entries:
                self._lower.remove(place)
        for path in opaque:
            found = self._reach(path)
            if found.kind == "directory" and found.path != path:
                self._lower.empty(found.path)

    def _put(self, directory: str, name: str, entry: Entry, *, layer: int | None = None) -> None:
        layer = self._number if layer is None else layer
        directory = self._directory(directory)
        path = f"{directory.rstrip('/')}/{name}"
        if path != entry.path or layer != entry.layer:
            entry = replace(entry, path=path, layer=layer)
        self.implied_paths.discard(path)
        self.put(directory, entry)

    def _directory(self, path: str) -> str:
        """Return the path of the directory that *path* leads to; adds missing directories."""
        found = self._reach(path)
        if found.kind != "directory":
            raise MalformedImage(f"{self._name}: {found.path!r} is a {found.kind}, yet files are placed in it")
        return found.path

    def _reach(self, path: str) -> Entry:
        """Return the directory that *path* leads to, or what is on the way and not one; adds missing directories."""
        found = self.entries.get(path)
        if found is not None and found.kind == "directory":
            return found
        pending, here, links = parts(path)[::-1], "/", 0
        while pending:
            part = pending.pop()
            if part == "..":
                here = _parent(here)
                continue
            place = f"{here.rstrip('/')}/{part}"
            found = self.entries.get(place) or self._imply(here, place)
            if found.kind == "symlink" and links < MAX_LINKS:
                links += 1
                here = "/" if found.target.startswith("/") else here
                pending += parts(found.target)[::-1]
            elif found.kind == "directory":
                here = place
            else:
                return found
        return self.entries[here]

    def _imply(self, directory: str, path: str) -> Entry:
        self._lower.implied += len(path)
        if self._lower.implied > _MAX_IMPLIED:
            raise MalformedImage(f"{self._name}: its paths imply too many directories, in {path!r:.80}")
        self.implied_paths.add(path)
        entry = Entry(path=path, kind="directory", mode=0o755, layer=self._number)
        self.put(directory, entry)
        return entry


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"
