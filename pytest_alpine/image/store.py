"""The content-addressed store: what was read of an image once is never read again.

Layers are kept as plain tars under their diff ID, beside the changeset that was read from each; manifests and
configurations under their digest. Files appear whole or not at all, so that any number of processes may share a
store, and a process that dies leaves no half of anything.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from filelock import FileLock

from pytest_alpine.errors import MalformedImage, StoreError
from pytest_alpine.image.changeset_file import dump_changeset, load_changeset
from pytest_alpine.image.compression import decompressed
from pytest_alpine.image.document import check_digest
from pytest_alpine.image.source import ByteStream, Layer
from pytest_alpine.layers import Changeset, read_changeset

CACHE_VARIABLE: Final = "PYTEST_ALPINE_CACHE"
"""The environment variable that moves the store."""

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredLayer:
    """A layer that is in the store."""

    diff_id: str
    tar: Path
    """The uncompressed tar."""
    changeset: Changeset


class Store:
    """A folder of layers and documents, shared by any number of processes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def default(cls) -> Store:
        """Return the store in the user's cache folder, or where ``PYTEST_ALPINE_CACHE`` says."""
        import platformdirs

        chosen = os.environ.get(CACHE_VARIABLE)
        return cls(Path(chosen) if chosen else platformdirs.user_cache_path("pytest-alpine"))

    def document(self, digest: str) -> bytes | None:
        """Return the manifest or configuration with this *digest*, or None where the store has none."""
        try:
            data = self._path("documents", digest).read_bytes()
        except OSError:
            return None
        algorithm, _, expected = digest.partition(":")
        # A document is small: checking it costs less than explaining a damaged one.
        return data if hashlib.new(algorithm, data).hexdigest() == expected else None

    def add_document(self, data: bytes) -> str:
        """Keep a manifest or configuration and return its SHA-256 digest.

        Raises:
            StoreError: the store cannot be written.
        """
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if self.document(digest) is None:
            with self._writing(self._path("documents", digest)) as stream:
                stream.write(data)
        return digest

    def layer(self, layer: Layer) -> StoredLayer:
        """Return *layer* from the store; where it is missing, it is read from its source first, by one process only.

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
            with self.lock(key):
                found = self._find(layer) or self._fetch(layer)
        return found

    def has(self, diff_id: str) -> bool:
        """Whether the layer with this *diff_id* is in the store."""
        return self._path("layers", diff_id, ".json").exists() and self._path("layers", diff_id, ".tar").exists()

    def lock(self, key: str) -> AbstractContextManager[Any]:
        """Return a lock for *key* among all processes that share the store; its file is never unlinked."""
        path = self._path("locks", key if ":" in key else f"name:{hashlib.sha256(key.encode()).hexdigest()}")
        with _store_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)

    def _path(self, kind: str, digest: str, suffix: str = "") -> Path:
        algorithm, _, value = digest.partition(":")
        return self.root / kind / algorithm / f"{value}{suffix}"

    def _find(self, layer: Layer) -> StoredLayer | None:
        diff_id = layer.diff_id
        if diff_id is None and layer.digest is not None:
            try:
                diff_id = self._path("diff-ids", layer.digest).read_text()
            except OSError:
                return None
        if diff_id is None:
            return None
        tar = self._path("layers", diff_id, ".tar")
        changeset = load_changeset(self._path("layers", diff_id, ".json"), tar)
        return None if changeset is None else StoredLayer(diff_id=diff_id, tar=tar, changeset=changeset)

    def _fetch(self, layer: Layer) -> StoredLayer:
        incoming = self.root / "incoming"
        with _store_errors(incoming):
            incoming.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=incoming, suffix=".tar", delete=False) as plain:
            part = Path(plain.name)
        try:
            diff_id = self._unpack(layer, part)
            changeset = read_changeset(part, layer.where)
            tar = self._path("layers", diff_id, ".tar")
            self._keep(layer, diff_id, part, changeset)
        finally:
            part.unlink(missing_ok=True)
        return StoredLayer(diff_id=diff_id, tar=tar, changeset=changeset)

    def _unpack(self, layer: Layer, part: Path) -> str:
        """Write *layer* uncompressed to *part*, check its digests, and return its diff ID."""
        algorithm = (layer.digest or "sha256:").partition(":")[0]
        with part.open("wb") as output, layer.open() as raw, _Hashing(raw, algorithm) as counted:
            with decompressed(counted, layer.where) as plain, _Hashing(plain, "sha256") as content:
                while chunk := content.read(_CHUNK):
                    with _store_errors(part):
                        output.write(chunk)
            while counted.read(_CHUNK):  # padding after the compressed data belongs to the blob too
                pass
        check_digest(layer.where, "digest", layer.digest, counted.digest())
        check_digest(layer.where, "diff ID", layer.diff_id, content.digest())
        return content.digest()

    def _keep(self, layer: Layer, diff_id: str, part: Path, changeset: Changeset) -> None:
        tar = self._path("layers", diff_id, ".tar")
        with _store_errors(tar):
            tar.parent.mkdir(parents=True, exist_ok=True)
            size = part.stat().st_size
            part.replace(tar)
        # The changeset is written last: a layer is in the store only when its changeset is.
        with self._writing(tar.with_suffix(".json")) as stream:
            stream.write(dump_changeset(changeset, size))
        if layer.digest is not None:
            with self._writing(self._path("diff-ids", layer.digest)) as stream:
                stream.write(diff_id.encode())

    @contextmanager
    def _writing(self, path: Path) -> Iterator[IO[bytes]]:
        with _store_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as stream:
                part = Path(stream.name)
                try:
                    yield stream
                    stream.close()
                    part.replace(path)
                finally:
                    part.unlink(missing_ok=True)


class _Hashing:
    """A byte stream that is hashed beside the reading, in a thread of its own: hashing releases the interpreter."""

    def __init__(self, stream: ByteStream, algorithm: str) -> None:
        self._stream = stream
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._last: Future[None] | None = None

    def __enter__(self) -> _Hashing:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes; none at the end."""
        data = self._stream.read(size)
        if self._last is not None:
            self._last.result()  # one chunk in flight bounds the memory
        if data:
            self._last = self._pool.submit(self._hash.update, data)
        return data

    def digest(self) -> str:
        """Return the digest of all that was read."""
        self._pool.shutdown()
        return f"{self._algorithm}:{self._hash.hexdigest()}"


@contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}; free some space, or set {CACHE_VARIABLE} to another folder"
        ) from error
