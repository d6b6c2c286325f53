"""A TCP proxy in front of the real Docker engine that can die, with all its connections, at any moment."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pytest_alpine.dockerapi.client import endpoint

if TYPE_CHECKING:
    from typing import Self

_REQUEST: Final = re.compile(rb"^([A-Z]+ \S+) HTTP/1\.[01]\r$", re.MULTILINE)


class CutProxy:
    """Listens on a free port of this machine while it is open."""

    def __init__(self, target: str | None = None) -> None:
        """Listen in front of *target*, such as ``tcp://127.0.0.1:5000``; of the Docker engine when None."""
        self._target = target or endpoint().url
        self.log: list[str] = []
        """Method and path of every HTTP request that was passed on."""
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
                for source, sink, log in ((client, engine, self.log), (engine, client, None)):
                    threading.Thread(target=_copy, args=(source, sink, log), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket, log: list[str] | None) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            if log is not None:
                log.extend(line.decode() for line in _REQUEST.findall(data))
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
