"""Downloads of blobs, which continue where a connection broke, for as long as they make progress.

Spec of ranges: RFC 9110, section 14.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

from pytest_alpine.image.http.client import DELAYS, Stream
from pytest_alpine.image.http.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from pytest_alpine.image.store.store import Progress

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
        self._delays = iter(DELAYS)
        self._tried = 0  # connections since the last byte
        self._knows_ranges = True
        self._reported = float("-inf")
        self._told = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes; none at the end.

        Raises:
            Unreachable: the connection broke, and new ones bring nothing.
        """
        while True:
            try:
                data = self._read(_PIECE if size < 0 else min(size, _PIECE))
            except Unreachable as error:
                self._close()
                self._pause(error)
            else:
                return data

    def _read(self, size: int) -> bytes:
        """Return at most *size* bytes, and fewer when the user should see how far it is, or the connection breaks."""
        stream = self._opened()
        if stream.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._report(at_end=True)
            return b""  # the server has no more bytes
        pieces: list[bytes] = []
        until = time.monotonic() + _REPORT_EVERY
        while size and (not pieces or time.monotonic() < until):
            try:
                piece = stream.read_arrived(size)
            except Unreachable:
                if not pieces:
                    raise
                self._close()  # the next read continues
                break
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        return self._received(b"".join(pieces))

    def _received(self, data: bytes) -> bytes:
        self._offset += len(data)
        if data:
            self._tried, self._delays = 0, iter(DELAYS)
        elif self._stream is not None and self._size is not None and self._offset < self._size:
            so_far = f"the answer ends after {self._offset} of {self._size} bytes"
            raise Unreachable(f"{self._stream.where}: {so_far}", again=0)
        self._report(at_end=not data)
        return data

    def _opened(self) -> Stream:
        if self._stream is None:
            self._tried += 1
            self._stream = self._start(self._offset if self._knows_ranges else 0)
            self._skip(self._stream)
        return self._stream

    def _skip(self, stream: Stream) -> None:
        """Skip the bytes of the new *stream* that were received before."""
        if stream.status == HTTPStatus.OK:  # the whole blob
            left = self._offset
            while left and (data := stream.read(min(left, _PIECE))):
                left -= len(data)
            if left:
                raise Unreachable(f"{stream.where}: the answer ends before byte {self._offset}", again=0)
        elif stream.status == HTTPStatus.PARTIAL_CONTENT:
            given = stream.headers.get("Content-Range", "")
            if not given.startswith(f"bytes {self._offset}-"):
                self._knows_ranges = False
                text = f"{stream.where}: the server gives {given!r} (expected bytes from {self._offset})"
                raise Unreachable(text, again=0)

    def _pause(self, error: Unreachable) -> None:
        """Wait before the next connection.

        Raises:
            Unreachable: *error* is final, or several connections brought no byte.
        """
        if error.again is None:
            raise error
        delay = next(self._delays, None)
        if delay is None:
            raise Unreachable(f"{error} (tried {self._tried} times)") from error
        time.sleep(delay)

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _report(self, *, at_end: bool) -> None:
        now = time.monotonic()
        of = f"/{self._size / 1e6:.1f}" if self._size is not None else ""
        text = f"{self._what}, {self._offset / 1e6:.1f}{of} MB"
        if text != self._told and (at_end or now - self._reported >= _REPORT_EVERY):
            self._reported, self._told = now, text
            self._progress(text)
