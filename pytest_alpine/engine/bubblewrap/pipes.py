"""The pipes or the terminal of a process on this machine."""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.exec.process import STDERR, STDOUT, ProcessStream

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE: Final = 1 << 18
_LONGEST: Final = (1 << 31) - 1  # milliseconds that poll(2) takes


class PipeStream:
    """The standard streams of a process. One thread may read while another one writes or closes."""

    def __init__(self, stdin: int, stdout: int, stderr: int, *more: int) -> None:
        """Talk to a process.

        Args:
            stdin: what writes to its input; it is closed with this object, like the others.
            stdout: what reads its output.
            stderr: what reads its errors. All three may be the same: a terminal.
            more: what else is to be closed with this object.
        """
        self._stdin = stdin
        self._outputs = {stderr: STDERR, stdout: STDOUT}
        self._all = {stdin, stdout, stderr}
        for descriptor in self._all:
            os.set_blocking(descriptor, False)
        self._all |= {*more}
        # Wakes a reading thread, because descriptors that a thread waits for must not be closed.
        self._closing = os.eventfd(0)
        self._closed = False
        self._users = 0
        self._lock = threading.Lock()

    def send(self, data: bytes, deadline: float) -> None:
        """Write *data* to the process's standard input."""
        rest = memoryview(data)
        with self._used():
            while rest:
                if self._closed or self._stdin < 0:
                    raise BrokenPipeError
                try:
                    rest = rest[os.write(self._stdin, rest) :]
                except BlockingIOError:
                    _wait([(self._stdin, select.POLLOUT), (self._closing, select.POLLIN)], deadline)

    def end_input(self) -> None:
        """Close the process's standard input."""
        with self._lock:
            if self._stdin >= 0 and not self._closed:
                os.close(self._stdin)
                self._all.discard(self._stdin)
                self._stdin = -1

    def receive(self, deadline: float) -> Iterator[tuple[int, bytes]]:
        """Yield the output of the process as it arrives."""
        with self._used():
            while self._outputs:
                waiting = [(descriptor, select.POLLIN) for descriptor in self._outputs]
                for descriptor in _wait([*waiting, (self._closing, select.POLLIN)], deadline):
                    if descriptor == self._closing:
                        return
                    data = _read(descriptor)
                    if data:
                        yield self._outputs[descriptor], data
                    elif data is not None:
                        del self._outputs[descriptor]

    def close(self) -> None:
        """Close the pipes."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            os.eventfd_write(self._closing, 1)
            self._close_unused()

    @contextmanager
    def _used(self) -> Iterator[None]:
        """Keep the descriptors open while a thread uses them, so that their numbers are not reused."""
        with self._lock:
            if self._closed:
                raise ConnectionResetError
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                self._close_unused()

    def _close_unused(self) -> None:
        """Close all descriptors, if ``close`` was called and no thread uses them."""
        if not self._closed or self._users:
            return
        for descriptor in (*self._all, self._closing):
            os.close(descriptor)
        self._all.clear()
        self._outputs.clear()


def _read(descriptor: int) -> bytes | None:
    """Return the available bytes: empty at the end, None if there are none yet."""
    try:
        return os.read(descriptor, _PIECE)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno == errno.EIO:  # the last process has closed the terminal
            return b""
        raise


def _wait(wanted: list[tuple[int, int]], deadline: float) -> list[int]:
    poll = select.poll()
    for descriptor, events in wanted:
        poll.register(descriptor, events)
    left = deadline - time.monotonic()
    ready = poll.poll(min(left * 1000, _LONGEST)) if left > 0 else []
    if not ready:
        raise TimeoutError
    return [descriptor for descriptor, _ in ready]


if TYPE_CHECKING:
    _: type[ProcessStream] = PipeStream
