"""A small Docker engine over real HTTP, in a thread. It saves images as engines newer than the installed one do.

Spec: the image part of https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.images import BuiltImage

_CHUNK = 32 << 10


@dataclass(kw_only=True)
class EngineServer:
    """The images of the engine, and its behaviour."""

    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The answer to ``docker inspect`` for each name."""
    archives: dict[str, bytes] = field(default_factory=dict)
    """The answer to ``docker save`` for each ID."""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Api-Version": "1.48"})
    """Headers of every answer."""
    status: Mapping[str, int] = field(default_factory=dict)
    """HTTP statuses of requests that fail, by the end of their paths."""
    log: list[str] = field(default_factory=list)
    url: str = ""

    def hold(self, name: str, engine_id: str, built: BuiltImage, archive: bytes, **more: object) -> None:
        """Add *built* with its *name* and *engine_id*, to be saved as *archive*; ``inspect`` also returns *more*."""
        document = json.loads(built.config.data)
        details = {word.capitalize(): document.get(word, "") for word in ("os", "architecture", "variant")}
        details |= {"Id": engine_id, "RootFS": {"Type": "layers", "Layers": built.diff_ids}, "RepoTags": [name], **more}
        self.images |= {name: details, engine_id: details}
        self.archives[engine_id] = archive


@contextmanager
def serving_engine(server: EngineServer) -> Iterator[EngineServer]:
    """Serve *server* on a free port of this machine, which ``server.url`` then names."""

    class Handler(_Handler):
        engine = server

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server.url = f"tcp://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: EngineServer

    def log_message(self, *_: object) -> None:
        """Write nothing to the terminal."""

    def do_GET(self) -> None:
        path = re.sub(r"^/v[0-9.]+", "", unquote(urlsplit(self.path).path))
        self.engine.log.append(path)
        name, _, what = path.removeprefix("/images/").rpartition("/")
        failing = [status for end, status in self.engine.status.items() if path.endswith(end)]
        if failing:
            self._send({"message": f"trouble with {path}"}, status=failing[0])
        elif what == "get" and name in self.engine.archives:
            self._stream(self.engine.archives[name])
        else:
            documents = {
                "/_ping": "OK",
                "/version": {"ApiVersion": "1.41"},
                "/images/json": list(self.engine.images.values()),
                f"/images/{name}/json": self.engine.images.get(name),
            }
            missing = {"message": f"No such image: {name}"}
            self._send(*((documents[path], 200) if documents.get(path) is not None else (missing, 404)))

    def _send(self, document: object, status: int) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | dict(self.engine.headers)).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-tar")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(data), _CHUNK):
            piece = data[start : start + _CHUNK]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")
