"""Byte streams that are hashed while they are read."""

from __future__ import annotations

import hashlib
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from types import TracebackType

    from pytest_alpine.image.blobs.layer import ByteStream


class Hashing:
    """A byte stream that another thread hashes while it is read: hashing releases the interpreter."""

    def __init__(
        self,
        stream: ByteStream,
        algorithm: str,
        copy: Callable[[bytes], None] | None = None,
        worker: Executor | None = None,
    ) -> None:
        """Read nothing yet.

        Args:
            stream: what is read and hashed.
            algorithm: of the digest, such as ``sha256``.
            copy: gets every piece too, in the other thread; a later ``read`` or ``digest`` raises its errors.
            worker: the other thread; when None, a new one, which ends with the ``with`` block.
        """
        self.size = 0
        """Bytes that were read so far."""
        self._stream = stream
        self._algorithm = algorithm
        self._worker = worker or ThreadPoolExecutor(max_workers=1)
        self._is_own = worker is None
        self._hash = hashlib.new(algorithm)
        self._copy = copy
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_own:
            self._worker.shutdown()

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes; none at the end."""
        data = self._stream.read(size)
        if self._last is not None:
            self._last.result()  # at most one piece waits, which bounds the memory
        if data:
            self.size += len(data)
            self._last = self._worker.submit(self._take, data)
        return data

    def digest(self) -> str:
        """Return the digest of all that was read."""
        if self._last is not None:
            self._last.result()
        return f"{self._algorithm}:{self._hash.hexdigest()}"

    def _take(self, data: bytes) -> None:
        self._hash.update(data)
        if self._copy is not None:
            self._copy(data)
