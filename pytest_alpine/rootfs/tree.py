"""Root filesystems while layers are being stacked.

Engines unpack every layer into a folder of its own and lay the folders over each other (overlayfs), and so is it done
here: a name leads through symbolic links of its own layer, but never through those of the layers below.
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

# Bytes in the paths of directories that layers place files in and do not bring. Few are honest ones; a name of a few
# kilobytes that leads through two thousand takes four megabytes.
_MAX_IMPLIED: Final = 64 << 20


class Tree:
    """Entries by their absolute path. Whatever layers do, it costs time in proportion to their size."""

    def __init__(self) -> None:
        """Hold the root alone."""
        self.entries = {"/": Entry(path="/", kind="directory", mode=0o755)}
        self.implied = 0
        """Bytes in the paths of the directories that layers place files in and do not bring."""
        self._below: dict[str, set[str]] = {}

    def find(self, path: str, *, last: bool) -> Entry | None:
        """Return what *path* leads to, through links; through one at its end too where *last* is true."""
        try:
            return follow(self.entries.get, path, last=last)
        except FileNotInImage:  # a loop of links
            return None

    def put(self, directory: str, entry: Entry) -> None:
        """Put *entry* in its place in *directory*; all but a directory removes what was below that place."""
        if entry.kind != "directory":
            self.empty(entry.path)
        self.entries[entry.path] = entry
        if entry.path != directory:  # only the root stands in itself
            self._below.setdefault(directory, set()).add(entry.path)

    def remove(self, path: str) -> None:
        """Remove what stands at exactly *path*, with all below it."""
        if self.entries.pop(path, None) is not None:
            self._below[_parent(path)].discard(path)
            self.empty(path)

    def empty(self, path: str) -> None:
        """Remove all that is below exactly *path*."""
        pending = [path]
        while pending:
            children = self._below.pop(pending.pop(), ())
            pending.extend(children)
            for child in children:
                del self.entries[child]

    def lay(self, layer: LayerTree) -> None:
        """Lay the entries of *layer* over those that are here."""
        if len(self.entries) == 1:
            self.entries, self._below = layer.entries, layer._below  # noqa: SLF001 - a Tree itself
            return
        for path, entry in layer.entries.items():
            known = self.entries.get(path)
            if known is None or known.kind != "directory" or path not in layer.implied_paths:
                self.put(_parent(path), entry)


class LayerTree(Tree):
    """What one layer brings, and the directories that it stands in."""

    def __init__(self, lower: Tree, number: int, name: str) -> None:
        """Begin the layer *number* that lies on *lower*; messages call it by its *name*."""
        super().__init__()
        self.implied_paths = {"/"}
        """The directories that it does not bring: they keep owner and mode of those below them."""
        self._lower = lower
        self._number = number
        self._name = name

    def add(self, entry: Entry) -> None:
        """Put *entry* in its place.

        Raises:
            MalformedImage: it stands below something that is no directory.
        """
        directory, _, name = entry.path.rpartition("/")
        if name:
            self._put(directory or "/", name, entry)
        elif entry.kind == "directory":  # engines ignore whatever else is named as the root is
            self.implied_paths.discard("/")
            self.entries["/"] = replace(entry, layer=self._number)

    def link(self, path: str, target: str) -> None:
        """Give the file at *target* a second name, *path*.

        Raises:
            MalformedImage: *target* is no file of the layer or a lower one, or *path* is below no directory.
        """
        directory, _, name = path.rpartition("/")
        if not name:
            return
        found = self.find(target, last=False) or self._lower.find(target, last=False)
        if found is None or found.kind == "directory":
            raise MalformedImage(f"{self._name}: hard link {path!r} to {target!r}, which is not in the image")
        self._put(directory or "/", name, found, layer=found.layer)

    def hide(self, removed: Iterable[str], opaque: Iterable[str]) -> None:
        """Hide what links of this layer lead whiteouts to, and make the directories that whiteouts stand in.

        Args:
            removed: the paths that whiteouts remove.
            opaque: the directories whose contents in lower layers are hidden.

        Raises:
            MalformedImage: there are too many directories that the layer does not bring.
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
        """Return the directory that *path* leads to; missing ones are made."""
        found = self._reach(path)
        if found.kind != "directory":
            raise MalformedImage(f"{self._name}: {found.path!r} is a {found.kind}, yet files are placed in it")
        return found.path

    def _reach(self, path: str) -> Entry:
        """Return the directory that *path* leads to, missing ones made, or what bars the way to it."""
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
            raise MalformedImage(f"{self._name}: too many directories that it does not bring, in {path!r:.80}")
        self.implied_paths.add(path)
        entry = Entry(path=path, kind="directory", mode=0o755, layer=self._number)
        self.put(directory, entry)
        return entry


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"
