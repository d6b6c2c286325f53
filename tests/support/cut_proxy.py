"""A TCP proxy in front of the real Docker engine that can die, with all its connections, at any moment."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_alpine.dockerapi.client import endpoint

if TYPE_CHECKING:
    from typing import Self


class CutProxy:
    """Listens on a free port of this machine while it is open."""

    def __init__(self) -> None:
        self._target = endpoint().url
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self.url = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def cut(self) -> None:
        """Break every connection, and accept no more."""
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                engine = _connected(self._target)
                self._sockets += [client, engine]
                for source, sink in ((client, engine), (engine, client)):
                    threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _connected(target: str) -> socket.socket:
    parts = urlsplit(target)
    if parts.scheme == "unix":
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(parts.path)
        return engine
    return socket.create_connection((parts.hostname or "", parts.port or 2375))
