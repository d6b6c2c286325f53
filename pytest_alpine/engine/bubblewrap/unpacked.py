"""The root filesystem of an image as a folder on this machine: unpacked once, and then shared.

It is in the store under the chain ID of its layers, and appears there completely or not at all. If root unpacks it,
owners and devices are those of the image. Else all files belong to the user, because only root may change owners.
Spec: https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid
"""

from __future__ import annotations

import fcntl
import os
import stat as modes
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import ImageError
from pytest_alpine.image.store.folders import make_folder, remove_tree
from pytest_alpine.image.store.incoming import store_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_alpine.image.image import Image
    from pytest_alpine.rootfs.base import Entry

# Increased with every change of the unpacked form.
_FORMAT: Final = 2
_NODES: Final = {
    "character device": modes.S_IFCHR,
    "block device": modes.S_IFBLK,
    "fifo": modes.S_IFIFO,
}
_PARTIAL: Final = ".partial"
# The time of the last change in the header, the block before a file's content: octal digits (ustar).
_TIME: Final = slice(136, 147)
_BLOCK: Final = 512


def unpacked(image: Image) -> Path:
    """Return the folder with the root filesystem of *image*. If it is missing, one process creates it.

    Raises:
        ImageError: the image cannot be read.
        StoreError: the store cannot be written.
    """
    root = image.store.root / "roots" / f"{_FORMAT}-{os.geteuid()}" / image.chain_id.replace(":", "-")
    if not root.is_dir():
        what = f"{image.reference} {image.platform}"
        with image.access.lock(f"unpack {root}", waiting=f"waiting for another process that unpacks {what}"):
            if not root.is_dir():
                image.access.progress(f"unpacking {what}")
                with store_errors(root):
                    _unpack(image, root)
    return root


def remove_partial(store: Path) -> None:
    """Remove partial folders, which killed processes left in the folder *store*."""
    for path in (store / "roots").glob(f"*/*{_PARTIAL}"):
        with suppress(OSError), _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            remove_tree(path)


def _unpack(image: Image, root: Path) -> None:
    make_folder(root.parent.parent)
    root.parent.mkdir(mode=0o700, exist_ok=True)
    partial = root.with_name(root.name + _PARTIAL)
    remove_tree(partial)
    while True:
        partial.mkdir(mode=0o700)
        with suppress(FileNotFoundError), _locked(partial, fcntl.LOCK_EX) as descriptor:
            if (
                partial.stat().st_ino == os.fstat(descriptor).st_ino
            ):  # else another process would remove it as abandoned
                _Unpacking(partial, [layer.tar for layer in image.stored_layers]).add(image.rootfs.walk())
                partial.rename(root)
                return


@contextmanager
def _locked(path: Path, how: int) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield descriptor
    finally:
        os.close(descriptor)


class _Unpacking:
    """A folder that entries are unpacked into.

    Paths in a flattened image have no links in their directories, and the folder is new: nothing leads out of it.
    """

    def __init__(self, folder: Path, tars: Sequence[Path]) -> None:
        self._folder = folder
        self._tars = tars
        self._as_root = os.geteuid() == 0
        self._files: dict[tuple[int, int], Path] = {}

    def add(self, entries: Iterator[Entry]) -> None:
        """Create *entries*, each after its directory."""
        tars = [os.open(tar, os.O_RDONLY | os.O_CLOEXEC) for tar in self._tars]
        directories: list[tuple[Path, int]] = []
        try:
            for entry in entries:
                place = Path(f"{self._folder}{entry.path}")
                if entry.kind == "directory":
                    if entry.path != "/":
                        place.mkdir(0o700)
                    self._own(entry, place)
                    directories.append((place, entry.mode))
                else:
                    self._add(entry, place, tars[entry.layer])
        finally:
            for tar in tars:
                os.close(tar)
        for place, mode in reversed(directories):  # no file could be created in a directory without permissions
            place.chmod(mode)

    def _add(self, entry: Entry, place: Path, tar: int) -> None:
        if entry.kind == "symlink":
            place.symlink_to(entry.target)
            self._own(entry, place)
        elif entry.kind == "file":
            key = (entry.layer, entry.offset)
            if key in self._files:
                os.link(self._files[key], place, follow_symlinks=False)
            else:
                self._files[key] = place
                self._add_file(entry, place, tar)
        elif self._as_root or entry.kind == "fifo":
            # Which device it is, an Entry does not tell, and none can be used in a sandbox. It must not be number 0:0,
            # by which overlayfs marks what is removed.
            os.mknod(place, _NODES[entry.kind] | 0o600, os.makedev(1, 3))
            self._own(entry, place)
            place.chmod(entry.mode)

    def _add_file(self, entry: Entry, place: Path, tar: int) -> None:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            done = 0
            while done < entry.size:
                count = os.sendfile(descriptor, tar, entry.offset + done, entry.size - done)
                if not count:
                    raise ImageError(f"{entry.path}: its layer in the store is cut; read the image anew")
                done += count
            self._own(entry, place)
            os.fchmod(descriptor, entry.mode)
            if entry.offset >= _BLOCK:
                changed = _octal(os.pread(tar, _BLOCK, entry.offset - _BLOCK)[_TIME])
                os.utime(descriptor, (changed, changed))
        finally:
            os.close(descriptor)

    def _own(self, entry: Entry, place: Path) -> None:
        if self._as_root:
            os.chown(place, entry.uid, entry.gid, follow_symlinks=False)


def _octal(text: bytes) -> int:
    try:
        return int(text, 8)
    except ValueError:  # base 256, for times beyond the range of octal digits
        return 0
