"""The content-addressed store: no part of an image is fetched twice.

It keeps layers as plain tars under their diff ID, each beside its changeset, and manifests and configurations under
their digest. A file appears complete or not at all: any number of processes may share a store, and a process that dies
leaves nothing half-written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import MalformedImage, StoreError
from pytest_alpine.image.blobs.compression import decompressed
from pytest_alpine.image.blobs.hashing import Hashing
from pytest_alpine.image.spec.documents import check_digest, checked_digest, digest_of
from pytest_alpine.image.store.changeset_file import dump_changeset, load_changeset
from pytest_alpine.image.store.folders import is_shared, make_folder, share_file
from pytest_alpine.image.store.incoming import CACHE_VARIABLE, Incoming, incoming_file, remove_abandoned, store_errors
from pytest_alpine.image.store.stored_tree import StoredTree, chain_id, dump_tree, load_tree, stack
from pytest_alpine.rootfs.layers import Changeset, read_changeset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

    from pytest_alpine.image.blobs.layer import Layer

Progress = Callable[[str], None]
"""Gets reports of long steps, such as ``pulling alpine:3.22 linux/arm64, 1.2/3.9 MB``."""

_PIECE: Final = 1 << 20
_EMPTY: Final = Changeset(added=(), removed=frozenset(), opaque=frozenset())
# The errors of a file system that is mounted read-only, and of a folder that belongs to another user.
_NOT_OURS: Final = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredLayer:
    """A layer that is in the store."""

    diff_id: str
    tar: Path
    """The uncompressed tar."""
    changeset: Changeset


def silent(_: str) -> None:
    """Report no progress."""


class Store:
    """A folder of layers, documents and names, shared by any number of processes; it outlives them all."""

    def __init__(self, root: Path) -> None:
        """Keep everything below the folder *root*, which is made when it is first written to."""
        self.root = root

    @classmethod
    def default(cls) -> Store:
        """Return the store in the user's cache folder, or where ``PYTEST_ALPINE_CACHE`` says."""
        import platformdirs

        chosen = os.environ.get(CACHE_VARIABLE)
        # pathlib's own expanduser refuses users that do not exist.
        return cls(Path(os.path.expanduser(chosen)) if chosen else platformdirs.user_cache_path("pytest-alpine"))  # noqa: PTH111

    def document(self, digest: str) -> bytes | None:
        """Return the manifest or configuration with this *digest*, or None if the store has none."""
        try:
            data = self._path("documents", digest).read_bytes()
        except OSError:
            return None
        # A document is small: checking it is cheaper than explaining a damaged one.
        return data if digest_of(data, digest.partition(":")[0]) == digest else None

    def add_document(self, data: bytes, algorithm: str = "sha256") -> str:
        """Store a manifest or configuration and return its digest.

        Raises:
            StoreError: the store cannot be written.
        """
        digest = digest_of(data, algorithm)
        if self.document(digest) is None:
            self.write(self._path("documents", digest), data)
        return digest

    def cached(self, name: str) -> str | None:
        """Return the text that is cached as *name*, for example the digest that a tag led to last, or None."""
        try:
            return self._path("names", digest_of(name.encode())).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def cache(self, name: str, text: str) -> None:
        """Cache *text* as *name*, in place of an older text.

        Raises:
            StoreError: the store cannot be written.
        """
        if self.cached(name) != text:
            self.write(self._path("names", digest_of(name.encode())), text.encode())

    def layer(self, layer: Layer, progress: Progress = silent) -> StoredLayer:
        """Return *layer* from the store; where it is missing, one process reads it from its source first.

        Other processes wait, and tell *progress* so.

        Raises:
            DigestMismatch: the bytes are not those that the digest or diff ID names.
            MalformedImage: the bytes are no layer.
            StoreError: the store cannot be written.
            ImageError: the source failed.
        """
        key = layer.diff_id or layer.digest
        if key is None:
            raise MalformedImage(f"{layer.where}: neither digest nor diff ID is known")
        found = self._find(layer)
        if found is None:
            with self.lock(key, waiting=f"waiting for another process that reads {layer.where}", progress=progress):
                found = self._find(layer) or self._fetch(layer)
        return found

    def add_layer(self, layer: Layer) -> StoredLayer:
        """Store *layer*, whose digest and diff ID may be unknown, and return it; see ``layer``."""
        return self._fetch(layer)

    def tree(self, layers: Sequence[Layer], progress: Progress = silent) -> StoredTree:
        """Return the tree that *layers*, base first, make; missing ones are read from their source, see ``layer``."""
        known = [diff_id for layer in layers if (diff_id := layer.diff_id or self._known_diff_id(layer.digest))]
        if len(known) == len(layers):
            tars = [self._path("layers", diff_id, ".tar") for diff_id in known]
            found = load_tree(self._path("trees", chain_id(known), ".json"), tars)
            if found is not None:
                return found
        stored = [self.layer(layer, progress) for layer in layers]
        names = [layer.where for layer in layers]
        tree = stack([layer.changeset for layer in stored], [layer.tar for layer in stored], names)
        with suppress(StoreError):  # it can be made again at any time
            self.write(self._path("trees", chain_id([layer.diff_id for layer in stored]), ".json"), dump_tree(tree))
        return tree

    def diff_id(self, layer: Layer, progress: Progress = silent) -> str:
        """Return the diff ID of *layer*; if it is unknown, the layer is read from its source, see ``layer``."""
        known = layer.diff_id or self._known_diff_id(layer.digest)
        return known if known and self.has(known) else self.layer(layer, progress).diff_id

    def has(self, diff_id: str) -> bool:
        """Whether the layer with this *diff_id* is in the store."""
        return self._path("layers", diff_id, ".json").exists() and self._path("layers", diff_id, ".tar").exists()

    @contextmanager
    def lock(self, key: str, *, waiting: str = "", progress: Progress = silent) -> Iterator[None]:
        """Hold the lock for *key* among all processes that share the store; its file is never unlinked.

        In a store that cannot be written nothing is locked: readers need no lock, and a write raises its own error.

        Args:
            key: a digest, or any other text.
            waiting: the report while another process holds the lock.
            progress: gets it.

        Raises:
            StoreError: the lock's file cannot be made, for example because the disk is full.
        """
        path = self._path("locks", digest_of(key.encode()))
        with ExitStack() as stack:
            with store_errors(path):
                try:
                    _make_lock(path)
                    _acquire(path, stack, lambda: progress(waiting) if waiting else None)
                except OSError as error:
                    if error.errno not in _NOT_OURS:
                        raise
            yield

    def _path(self, kind: str, digest: str, suffix: str = "") -> Path:
        algorithm, _, value = checked_digest(digest, str(self.root)).partition(":")
        return self.root / kind / algorithm / f"{value}{suffix}"

    def write(self, path: Path, data: bytes) -> None:
        """Write the file *path* of this store, in place of an older one.

        Raises:
            StoreError: the store cannot be written.
        """
        with incoming_file(self.root / "incoming") as incoming:
            with store_errors(path):
                incoming.stream.write(data)
            incoming.keep(path)

    def _known_diff_id(self, digest: str | None) -> str | None:
        if digest is None:
            return None
        try:
            return checked_digest(self._path("diff-ids", digest).read_text("utf-8"), digest)
        except (OSError, UnicodeDecodeError, MalformedImage):
            return None

    def _find(self, layer: Layer) -> StoredLayer | None:
        diff_id = layer.diff_id or self._known_diff_id(layer.digest)
        if diff_id is None:
            return None
        tar = self._path("layers", diff_id, ".tar")
        changeset = load_changeset(self._path("layers", diff_id, ".json"), tar)
        return None if changeset is None else StoredLayer(diff_id=diff_id, tar=tar, changeset=changeset)

    def _fetch(self, layer: Layer) -> StoredLayer:
        remove_abandoned(self.root / "incoming")
        with incoming_file(self.root / "incoming") as incoming:
            diff_id = _unpack(layer, incoming)
            size = incoming.stream.tell()
            # The layer of `docker import /dev/null` has no bytes; Go's archive/tar takes them for a tar of no files.
            changeset = read_changeset(incoming.path, layer.where) if size else _EMPTY
            tar = self._path("layers", diff_id, ".tar")
            incoming.keep(tar)
        # The changeset is written last: without it, the layer is not in the store.
        self.write(tar.with_suffix(".json"), dump_changeset(changeset, size))
        if layer.digest is not None:
            self.write(self._path("diff-ids", layer.digest), diff_id.encode())
        return StoredLayer(diff_id=diff_id, tar=tar, changeset=changeset)


def _make_lock(path: Path) -> None:
    make_folder(path.parent)
    if is_shared(path.parent) and not path.exists():  # the library would make it writable by this user alone
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            share_file(descriptor, path.parent)
        finally:
            os.close(descriptor)


def _acquire(path: Path, stack: ExitStack, on_wait: Callable[[], None]) -> None:
    from filelock import FileLock, Timeout

    try:
        stack.enter_context(FileLock(path).acquire(timeout=0))
    except Timeout:
        on_wait()
        stack.enter_context(FileLock(path))


def _unpack(layer: Layer, incoming: Incoming) -> str:
    """Write *layer* uncompressed to *incoming*, check its digests, and return its diff ID."""
    algorithm = (layer.digest or "sha256:").partition(":")[0]
    with ThreadPoolExecutor(max_workers=1) as worker, layer.open() as raw:
        stored = Hashing(raw, algorithm, worker=worker)
        try:
            diff_id = _write_plain(layer, stored, incoming, worker)
        except MalformedImage:
            # Damaged bytes rarely decompress. Then the damage is the cause to report, not the decompressor's error.
            _check_stored(layer, stored)
            raise
        _check_stored(layer, stored)
    check_digest(layer.where, "diff ID", layer.diff_id, diff_id)
    return diff_id


def _write_plain(layer: Layer, stored: Hashing, incoming: Incoming, worker: Executor) -> str:
    def write(piece: bytes) -> None:
        with store_errors(incoming.path):
            incoming.stream.write(piece)

    with decompressed(stored, layer.where) as plain:
        content = Hashing(plain, "sha256", copy=write, worker=worker)
        while content.read(_PIECE):
            pass
    diff_id = content.digest()
    with store_errors(incoming.path):
        incoming.stream.flush()
    return diff_id


def _check_stored(layer: Layer, stored: Hashing) -> None:
    # Bytes behind the compressed data belong to the blob too. No more are read than its size says.
    while (layer.size is None or stored.size <= layer.size) and stored.read(_PIECE):
        pass
    if layer.size is not None and stored.size < layer.size:
        raise MalformedImage(f"{layer.where}: truncated: {stored.size} of {layer.size} bytes")
    if layer.size is not None and stored.size > layer.size:
        raise MalformedImage(f"{layer.where}: more than the {layer.size} bytes that its source names")
    check_digest(layer.where, "digest", layer.digest, stored.digest())
