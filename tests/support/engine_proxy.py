"""A TCP proxy in front of the real Docker engine. It logs the requests, and can die in the middle of an answer."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_alpine.dockerapi.client import endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

_REQUEST = re.compile(rb"^(?:GET|POST|PUT|DELETE|HEAD) (\S+) HTTP/1.1\r$", re.MULTILINE)


@dataclass(kw_only=True)
class EngineProxy:
    """The behaviour of the proxy, and its log."""

    cut: int | None = None
    """Bytes of a saved image after which the connection breaks."""
    log: list[str] = field(default_factory=list)
    """The path of every request, without the version."""
    url: str = ""

    def asked(self, end: str) -> int:
        """Return how many requests had a path with this *end*."""
        return sum(path.endswith(end) for path in self.log)


@contextmanager
def proxied(proxy: EngineProxy) -> Iterator[EngineProxy]:
    """Run *proxy* on a free port of this machine, which ``proxy.url`` then names."""
    target = endpoint().url
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy.url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=_accept, args=(listener, target, proxy), daemon=True).start()
        try:
            yield proxy
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, target: str, proxy: EngineProxy) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, target, proxy), daemon=True).start()


def _serve(client: socket.socket, target: str, proxy: EngineProxy) -> None:
    saving = threading.Event()
    with client, _connected(target) as engine:
        back = threading.Thread(target=_answers, args=(engine, client, proxy, saving), daemon=True)
        back.start()
        with suppress(OSError):
            while data := client.recv(1 << 16):
                for path in _REQUEST.findall(data):
                    proxy.log.append(re.sub(r"^/v[0-9.]+", "", path.decode()))
                    if path.endswith(b"/get"):
                        saving.set()
                engine.sendall(data)
        with suppress(OSError):
            engine.shutdown(socket.SHUT_RDWR)
        back.join()


def _answers(engine: socket.socket, client: socket.socket, proxy: EngineProxy, saving: threading.Event) -> None:
    passed = 0
    with suppress(OSError):
        while data := engine.recv(1 << 16):
            if saving.is_set() and proxy.cut is not None:
                data = data[: max(0, proxy.cut - passed)]
                passed += len(data)
            client.sendall(data)
            if passed == proxy.cut:
                break
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


def _connected(target: str) -> socket.socket:
    parts = urlsplit(target)
    if parts.scheme == "unix":
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(parts.path)
        return engine
    return socket.create_connection((parts.hostname or "", parts.port or 2375))
