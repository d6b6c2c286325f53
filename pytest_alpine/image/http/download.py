"""Downloads of blobs, which continue where a connection broke.

Spec of ranges: RFC 9110, section 14.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

from pytest_alpine.image.http.client import DELAYS, Stream, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from pytest_alpine.image.store.store import Progress

_MAX_RESUMES: Final = 8
_PIECE: Final = 1 << 18
_REPORT_EVERY: Final = 0.5  # seconds


class Download:
    """The bytes of one blob, complete even if connections break."""

    def __init__(self, start: Callable[[int], Stream], *, size: int | None, what: str, progress: Progress) -> None:
        """Open nothing yet.

        Args:
            start: opens the blob at an offset in bytes, or at 0 where the server knows no ranges.
            size: bytes of the blob, where that is known.
            what: begins the reports, such as ``pulling alpine:3.22 linux/arm64``.
            progress: gets the reports.
        """
        self._start = start
        self._size = size
        self._what = what
        self._progress = progress
        self._stream: Stream | None = None
        self._offset = 0
        self._resumes = 0
        self._reported = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes; none at the end.

        Raises:
            Unreachable: the connection broke too often.
        """
        while True:
            try:
                data = self._read(_PIECE if size < 0 else min(size, _PIECE))
            except Unreachable as error:
                self._resume(error)
            else:
                self._offset += len(data)
                self._report(at_end=not data)
                return data

    def _read(self, size: int) -> bytes:
        if self._stream is None:
            self._stream = self._start(self._offset)
            self._skip(self._stream)
        if self._stream.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return b""  # the server has no more bytes
        data = self._stream.read(size)
        if not data and self._size is not None and self._offset < self._size:
            raise Unreachable(
                f"{self._stream.where}: the answer ends after {self._offset} of {self._size} bytes", again=0
            )
        return data

    def _skip(self, stream: Stream) -> None:
        """Skip the bytes of the new *stream* that were received before."""
        if stream.status == HTTPStatus.OK:  # the whole blob: skip what was received before
            left = self._offset
            while left and (data := stream.read(min(left, _PIECE))):
                left -= len(data)
        elif stream.status == HTTPStatus.PARTIAL_CONTENT:
            given = stream.headers.get("Content-Range", "")
            if not given.startswith(f"bytes {self._offset}-"):
                raise Unreachable(f"{stream.where}: the server gives {given!r} (expected bytes from {self._offset})")

    def _resume(self, error: Unreachable) -> None:
        if error.again is None or self._resumes == _MAX_RESUMES:
            raise error
        time.sleep(DELAYS[min(self._resumes, len(DELAYS) - 1)])
        self._resumes += 1
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _report(self, *, at_end: bool) -> None:
        now = time.monotonic()
        if (at_end and self._reported < now) or now - self._reported >= _REPORT_EVERY:
            self._reported = float("inf") if at_end else now
            of = f"/{self._size / 1e6:.1f}" if self._size is not None else ""
            self._progress(f"{self._what}, {self._offset / 1e6:.1f}{of} MB")
