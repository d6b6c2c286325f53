"""A root filesystem while layers are being stacked.

Spec: https://github.com/opencontainers/image-spec/blob/main/layer.md, "Applying Changesets"
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import FileNotInImage, MalformedImage
from pytest_alpine.rootfs.base import Entry
from pytest_alpine.rootfs.lookup import follow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


# Bytes in the paths of directories that layers place files in and do not bring. Few are honest ones; a name of a few
# kilobytes that leads through two thousand takes four megabytes.
_MAX_IMPLIED: Final = 64 << 20


class Tree:
    """Entries by their absolute path. Whatever layers do, it costs time in proportion to their size."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        """Hold the root alone; *names* are what messages call the layers, by their numbers."""
        self._names = names
        self.entries = {"/": Entry(path="/", kind="directory", mode=0o755)}
        self._below: dict[str, set[str]] = {}
        self._implied = 0

    def hide(self, removed: Iterable[str], opaque: Iterable[str], made: Iterable[str]) -> None:
        """Take away what a layer removes from those below it, through their links.

        Args:
            removed: paths that go, with all below them.
            opaque: directories whose contents go.
            made: the directories that the layer brings itself. One in the place of a lower layer's link shields
                what that link leads to: nothing that the layer says of its own directory is meant for it.
        """
        shields = {path for path in made if (old := self.entries.get(path)) is not None and old.kind == "symlink"}
        places = [self._find(path, last=False) for path in removed if not _is_under(path, shields, proper=True)]
        emptied = [self._find(path, last=True) for path in opaque if not _is_under(path, shields, proper=False)]
        for place in places:
            if place is not None and place.path in self.entries and place.path != "/":
                del self.entries[place.path]
                self._below[_parent(place.path)].discard(place.path)
                self._empty(place.path)
        for place in emptied:
            if place is not None:
                self._empty(place.path)

    def add(self, entry: Entry, layer: int) -> None:
        """Put *entry* of the layer with the number *layer* in its place, through the links of lower layers.

        Raises:
            MalformedImage: it stands below something that is no directory.
        """
        directory, _, name = entry.path.rpartition("/")
        if name:
            self._put(directory or "/", name, entry, layer, brought_by=layer)
        elif entry.kind == "directory":  # nothing else can stand in the place of the root
            self.entries["/"] = replace(entry, layer=layer)

    def link(self, path: str, target: str, layer: int) -> None:
        """Give the file at *target* a second name, *path*.

        Raises:
            MalformedImage: *target* is no file of the layer or a lower one, or *path* is below no directory.
        """
        found = self._find(target, last=False)
        if found is None or found.kind == "directory":
            raise MalformedImage(f"{self._called(layer)}: hard link {path!r} to {target!r}, which is not in the image")
        directory, _, name = path.rpartition("/")
        self._put(directory or "/", name, found, layer, brought_by=found.layer)

    def _put(self, directory: str, name: str, entry: Entry, layer: int, *, brought_by: int) -> None:
        directory = self._directory(directory, layer)
        path = f"{directory.rstrip('/')}/{name}"
        if path != entry.path or brought_by != entry.layer:
            entry = replace(entry, path=path, layer=brought_by)
        if entry.kind != "directory":
            self._empty(path)
        self._set(directory, entry)

    def _set(self, directory: str, entry: Entry) -> None:
        self.entries[entry.path] = entry
        self._below.setdefault(directory, set()).add(entry.path)

    def _empty(self, path: str) -> None:
        pending = [path]
        while pending:
            children = self._below.pop(pending.pop(), ())
            pending.extend(children)
            for child in children:
                del self.entries[child]

    def _find(self, path: str, *, last: bool) -> Entry | None:
        try:
            return follow(self.entries.get, path, last=last)
        except FileNotInImage:  # a loop of links
            return None

    def _directory(self, path: str, layer: int) -> str:
        """Return the directory that *path* leads to; missing ones are made."""
        # Through links, as containerd unpacks. Engines that unpack each layer by itself (Docker's overlay2) put a new
        # directory in the place of a link whose name a layer mentions without bringing it.
        known = self.entries.get(path)
        if known is not None and known.kind == "directory":
            return path
        here = "/"
        for part in path.strip("/").split("/"):
            place = f"{here.rstrip('/')}/{part}"
            found = self.entries.get(place)
            if found is None:
                self._implied += len(place)
                if self._implied > _MAX_IMPLIED:
                    raise MalformedImage(
                        f"{self._called(layer)}: too many directories that it does not bring, in {place!r:.80}"
                    )
                found = Entry(path=place, kind="directory", mode=0o755, layer=layer)
                self._set(here, found)
            end = self._find(place, last=True) if found.kind == "symlink" else found
            if end is None or end.kind != "directory":
                raise MalformedImage(f"{self._called(layer)}: {place!r} is a {found.kind}, yet files are placed in it")
            here = end.path
        return here

    def _called(self, layer: int) -> str:
        return self._names[layer] if self._names else f"layer {layer}"


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _is_under(path: str, tops: set[str], *, proper: bool) -> bool:
    # Upwards from the path: there may be as many tops as paths.
    place = _parent(path) if proper else path
    while tops and place != "/":
        if place in tops:
            return True
        place = _parent(place)
    return False
