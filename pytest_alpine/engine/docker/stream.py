"""The hijacked connection of an exec, which carries the standard streams of a process in a container.

Spec: the Engine API, "Attach to a container", for how engines put two outputs into one connection.
"""

from __future__ import annotations

import io
import socket
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.engine.exec.process import STDOUT, ProcessStream

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER: Final = struct.Struct(">BxxxL")
_PIECE: Final = 1 << 18


class EngineStream:
    """The hijacked connection of an exec."""

    def __init__(self, connection: Any, *, tty: bool) -> None:  # noqa: ANN401 - a socket, or a channel of ssh
        self._connection = connection
        # For a plain socket, the SDK returns a file-like wrapper, which cannot send.
        self._socket: socket.socket = getattr(connection, "_sock", connection)
        self._tty = tty
        self._rest = bytearray()

    def send(self, data: bytes, deadline: float) -> None:
        """Write *data* to the process's standard input."""
        self._socket.settimeout(_left(deadline))
        self._socket.sendall(data)

    def end_input(self) -> None:
        """Close the process's standard input."""
        import ssl

        if isinstance(self._socket, ssl.SSLSocket):
            # Python's TLS sockets close both directions or none.
            raise io.UnsupportedOperation("a connection with TLS cannot end the input alone")
        self._socket.shutdown(socket.SHUT_WR)

    def receive(self, deadline: float) -> Iterator[tuple[int, bytes]]:
        """Yield the output of the process as it arrives."""
        yield from self._frames()
        while data := self._read(deadline):
            if self._tty:
                yield STDOUT, data
            else:
                self._rest += data
                yield from self._frames()

    def close(self) -> None:
        """Close the connection to the process."""
        with suppress(OSError):
            # Wakes a thread that is still reading.
            self._socket.shutdown(socket.SHUT_RDWR)
        response = getattr(self._connection, "_response", None)
        # From the outermost to the innermost, because each flushes the one below.
        for part in (response, self._connection, self._socket):
            if part is not None:
                part.close()

    def _read(self, deadline: float) -> bytes:
        self._socket.settimeout(_left(deadline))
        return self._socket.recv(_PIECE)

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        rest, place = self._rest, 0
        try:
            while len(rest) - place >= _HEADER.size:
                stream, length = _HEADER.unpack_from(rest, place)
                start = place + _HEADER.size
                if start + length > len(rest):
                    break
                place = start + length
                yield stream, bytes(rest[start:place])
        finally:
            del rest[:place]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


if TYPE_CHECKING:
    _: type[ProcessStream] = EngineStream
