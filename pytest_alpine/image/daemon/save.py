"""The tar that an engine writes when it saves an image; it is read into the store in one pass.

Its layouts: ``ID/layer.tar`` up to Docker 24, ``blobs/sha256/DIGEST`` since 25.0, ``DIFF_ID.tar`` from Podman.
Spec: https://github.com/moby/docker-image-spec/blob/main/spec.md
"""

from __future__ import annotations

import posixpath
import re
import shutil
import tarfile
from contextlib import closing, contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, Final, cast

from pytest_alpine.errors import AlpineError, MalformedImage
from pytest_alpine.image.blobs.compression import decompressed
from pytest_alpine.image.blobs.hashing import Hashing
from pytest_alpine.image.blobs.layer import Layer
from pytest_alpine.image.spec.documents import DOCUMENT_LIMIT
from pytest_alpine.image.store.incoming import Incoming, incoming_file, store_errors

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_alpine.image.blobs.layer import ByteStream
    from pytest_alpine.image.store.store import Store

_PIECE: Final = 1 << 20
_BLOB: Final = re.compile(r"blobs/(sha256|sha512)/([0-9a-f]+)")
_DOCUMENT: Final = re.compile(r"[0-9a-f]{64}\.json")


def keep_saved(stream: ByteStream, store: Store, where: str) -> None:
    """Store every layer and document of the saved image in *stream*, which is read once, to its end.

    Raises:
        MalformedImage: the stream is no tar, or is truncated; the message begins with *where*.
        DigestMismatch: a blob is not what its name says.
        StoreError: the store cannot be written.
    """
    with _tar_errors(where):
        for name, content in _files(stream):
            blob = _BLOB.fullmatch(name)
            if _is_document(content):
                if blob or _DOCUMENT.fullmatch(name):
                    _keep_document(content, store)
            elif blob:
                _keep_blob(content, f"{blob[1]}:{blob[2]}", store, f"{where}, {name}")
            elif name.endswith(".tar"):
                store.add_layer(Layer(open=partial(closing, content), where=f"{where}, {name}"))
    while stream.read(_PIECE):  # a connection can be used again only after the whole response was read
        pass


@contextmanager
def saved_layer(stream: ByteStream, digest: str, scratch: Path, where: str) -> Iterator[ByteStream]:
    """Open one layer of the saved image in *stream*, which is copied to a file in the folder *scratch* first.

    Args:
        stream: what the engine writes; it is read up to the end of the layer.
        digest: the layer's diff ID, or the digest of its blob.
        scratch: the folder of the file, which is removed at the end.
        where: what messages call it.

    Raises:
        MalformedImage: the layer is not there; the message begins with *where*.
        StoreError: *scratch* cannot be written.
    """
    with incoming_file(scratch) as incoming:
        with _tar_errors(where):
            found = any(_copied(name, content, digest, incoming, where) for name, content in _files(stream))
        if not found:
            raise MalformedImage(f"{where}: the engine saved no layer {digest}")
        with incoming.path.open("rb", buffering=0) as layer:
            yield layer


def _files(stream: ByteStream) -> Iterator[tuple[str, io.BufferedReader]]:
    """Yield the regular files of the tar *stream*; each can be read until the next one is requested."""
    with tarfile.open(
        fileobj=cast("IO[bytes]", stream), mode="r|", bufsize=_PIECE, errors="surrogateescape", encoding="utf-8"
    ) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is not None:
                yield posixpath.normpath(member.name), cast("io.BufferedReader", content)


def _is_document(content: io.BufferedReader) -> bool:
    # Names do not tell: blobs/ holds both documents and layers. A tar begins with the name of a file.
    head = content.peek(tarfile.BLOCKSIZE)[: tarfile.BLOCKSIZE]
    return head.lstrip().startswith((b"{", b"[")) and head[257:262] != b"ustar"


def _keep_document(content: io.BufferedReader, store: Store) -> None:
    data = content.read(DOCUMENT_LIMIT + 1)
    if len(data) <= DOCUMENT_LIMIT:  # a larger one is no document, but a statement about the image
        store.add_document(data)


def _keep_blob(content: io.BufferedReader, digest: str, store: Store, where: str) -> None:
    if not store.has(digest):  # uncompressed, its digest is its diff ID
        store.layer(Layer(open=partial(closing, content), where=where, digest=digest))


def _copied(name: str, content: io.BufferedReader, digest: str, incoming: Incoming, where: str) -> bool:
    """Copy the file *content* if it is the layer *digest*; return whether it is."""
    blob = _BLOB.fullmatch(name)
    if blob is None and not name.endswith(".tar"):
        return False
    if blob is not None and f"{blob[1]}:{blob[2]}" == digest:
        _rewrite(content, incoming)
        return True
    with decompressed(content, where) as plain, Hashing(plain, digest.partition(":")[0]) as hashed:
        _rewrite(hashed, incoming)
        return hashed.digest() == digest


def _rewrite(content: ByteStream, incoming: Incoming) -> None:
    with store_errors(incoming.path):
        incoming.stream.seek(0)
        incoming.stream.truncate()
        shutil.copyfileobj(content, incoming.stream, _PIECE)
        incoming.stream.flush()


@contextmanager
def _tar_errors(where: str) -> Iterator[None]:
    try:
        yield
    except AlpineError:
        raise
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise MalformedImage(f"{where}: not a readable tar archive: {error}") from error
