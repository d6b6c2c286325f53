"""A registry over real HTTP, in a thread, that can fail in ways that a real registry rarely does.

It keeps blobs in memory, logs every request, asks for the configured login, and fails as a test tells it.
Spec: https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import base64
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, urlsplit

from tests.support.images import Blob, BuiltImage, attestation, blobs_of, index

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping, Sequence

    from tests.support.images import Style

Login = Literal["none", "basic", "bearer"]
Silence = Literal["answer", "headers", "body"]


@dataclass(kw_only=True)
class Fault:
    """A wrong answer to some requests."""

    path: str
    """A part of the path of the affected requests."""
    method: str = "GET"
    times: int = 1
    status: int = 0
    """The HTTP status; 0 gives the usual answer, changed by the following fields."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    """The number of bytes of the body after which the connection breaks."""
    silence: Silence | None = None
    """Where the server falls silent until the end of the test: before the answer, within its headers, or in the body
    after *cut* bytes."""
    shift: int = 0
    """Bytes by which the range that is given lies behind the range that was asked for."""
    flip: int | None = None
    """The offset of the byte in the body of which one bit is flipped."""


@dataclass(kw_only=True)
class RegistryServer:
    """The images of the registry, and its behaviour."""

    login: Login = "none"
    user: str = "somebody"
    password: str = "secret"
    anonymous: bool = True
    """Whether the token server gives tokens to clients without a login."""
    ranges: bool = True
    token_at: str = ""
    """The base URL of another host that gives tokens."""
    blobs_at: str = ""
    """The base URL of another host that requests for blobs are redirected to."""
    blobs: dict[str, Blob] = field(default_factory=dict)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    """Digests by repository and tag."""
    moves: dict[tuple[str, str], str] = field(default_factory=dict)
    """Digests of tags that move: from the second request on, a tag has this digest."""
    digest_headers: dict[str, str] = field(default_factory=dict)
    """Wrong values of Docker-Content-Digest, by the end of the path."""
    faults: list[Fault] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    """Method and path of every request."""
    authorizations: list[str] = field(default_factory=list)
    """The Authorization header of every request, ``""`` where it had none."""
    tokens: set[str] = field(default_factory=set)
    host: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    """Whether the test is over; till then, silence lasts."""

    def push(
        self,
        repository: str,
        tag: str,
        images: Sequence[BuiltImage],
        *,
        style: Style = "oci",
        attested: bool = False,
    ) -> str:
        """Publish an index of *images* under *tag* and return its digest."""
        more = []
        for built in images:
            self.blobs |= {blob.digest: blob for blob in blobs_of(built)}
            if attested:
                entry, needed = attestation(built)
                more.append(entry)
                self.blobs |= {blob.digest: blob for blob in needed}
        return self.tag(repository, tag, index(images, style=style, more=more))

    def push_single(self, repository: str, tag: str, built: BuiltImage) -> str:
        """Publish *built* under *tag*, with no index, and return its digest."""
        self.blobs |= {blob.digest: blob for blob in blobs_of(built)}
        return self.tag(repository, tag, built.manifest)

    def tag(self, repository: str, tag: str, blob: Blob) -> str:
        """Publish the manifest or index *blob* under *tag* and return its digest."""
        self.blobs[blob.digest] = blob
        self.tags[repository, tag] = blob.digest
        return blob.digest

    def asked(self, part: str) -> int:
        """Return how many requests had *part* in their method and path."""
        return sum(part in line for line in self.log)


@contextmanager
def serving(server: RegistryServer, tls: ssl.SSLContext | None = None) -> Iterator[RegistryServer]:
    """Serve *server* on a free port of this machine, which ``server.host`` then names."""

    class Handler(_Handler):
        registry = server

    with _Quiet(("127.0.0.1", 0), Handler) as http:
        if tls is not None:
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        server.host = f"127.0.0.1:{http.server_port}"
        scheme = "https" if tls else "http"
        Handler.base = f"{scheme}://{server.host}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            http.shutdown()
            thread.join()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore clients that close the connection early."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: RegistryServer
    base = ""

    def log_message(self, *_: object) -> None:
        """Write nothing to the terminal."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        server = self.registry
        server.log.append(f"{self.command} {self.path}")
        server.authorizations.append(self.headers.get("Authorization", ""))
        path = urlsplit(self.path).path
        fault = next((f for f in server.faults if f.times and f.path in path and f.method == self.command), None)
        if fault is not None:
            fault.times -= 1
            if fault.silence in {"answer", "headers"}:
                self._fall_silent(b"" if fault.silence == "answer" else b"HTTP/1.1 200 OK\r\nContent-Le")
                return
            if fault.status:
                self._send(fault.status, fault.body, fault.headers)
                return
        if path == "/token":
            self._token()
        elif self._is_allowed(path):
            self._resource(path, fault)

    def _fall_silent(self, said: bytes) -> None:
        self.wfile.write(said)
        self.wfile.flush()
        self.registry.over.wait()
        self.close_connection = True

    def _is_allowed(self, path: str) -> bool:
        server, header = self.registry, self.headers.get("Authorization", "")
        if server.login == "none" or path.startswith("/elsewhere/"):
            return True
        if server.login == "basic":
            allowed, challenge = header == self._basic(), 'Basic realm="test"'
        else:
            scope = "repository:" + re.sub(r"^/v2/|/(manifests|blobs|tags)/.*$", "", path) + ":pull"
            challenge = (
                f'Bearer realm="{server.token_at or self.base}/token",service="test registry, of sorts",scope="{scope}"'
            )
            allowed = header.removeprefix("Bearer ") in server.tokens
        if not allowed:
            self._error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})
        return allowed

    def _basic(self) -> str:
        server = self.registry
        return "Basic " + base64.b64encode(f"{server.user}:{server.password}".encode()).decode()

    def _token(self) -> None:
        server, header = self.registry, self.headers.get("Authorization", "")
        if self.command == "POST":
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            good = form["grant_type"] == ["refresh_token"] and form["refresh_token"] == [server.password]
            scope, name = form["scope"][0], "access_token"
        else:
            good = header == self._basic() if header else server.anonymous
            scope, name = parse_qs(urlsplit(self.path).query)["scope"][0], "token"
        if not good:
            self._error(401, "UNAUTHORIZED", "wrong name or password")
            return
        token = f"token-{len(server.tokens)}-for-{scope}"
        server.tokens.add(token)
        self._send(200, json.dumps({name: token}).encode())

    def _resource(self, path: str, fault: Fault | None) -> None:
        server = self.registry
        match = re.fullmatch(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|tags)/(?P<what>[^/]+)", path)
        if match is None:
            blob = server.blobs.get(path.removeprefix("/elsewhere/"))
            self._blob(blob, fault) if blob else self._send(200 if path == "/v2/" else 404, b"{}")
            return
        name, what = match["name"], match["what"]
        if name not in {repository for repository, _ in server.tags}:
            self._error(404, "NAME_UNKNOWN", "repository name not known to registry")
        elif match["kind"] == "tags":
            tags = [tag for repository, tag in server.tags if repository == name]
            self._send(200, json.dumps({"name": name, "tags": tags}).encode())
        elif match["kind"] == "blobs" and server.blobs_at:
            self._send(307, b"", {"Location": f"{server.blobs_at}/elsewhere/{what}"})
        elif blob := server.blobs.get(server.tags.get((name, what), what)):
            self._blob(blob, fault)
            if (name, what) in server.moves:
                server.tags[name, what] = server.moves.pop((name, what))
        else:
            self._error(404, "MANIFEST_UNKNOWN", "manifest unknown")

    def _blob(self, blob: Blob, fault: Fault | None) -> None:
        data, status = blob.data, 200
        headers = {"Content-Type": blob.media_type, "Docker-Content-Digest": blob.digest}
        for end, digest in self.registry.digest_headers.items():
            if self.path.endswith(end):
                headers["Docker-Content-Digest"] = digest
        if fault is not None and fault.flip is not None:
            data = data[: fault.flip] + bytes([data[fault.flip] ^ 1]) + data[fault.flip + 1 :]
        if "Range" in self.headers and self.registry.ranges:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            start += 0 if fault is None else fault.shift
            if start >= len(data):
                self._error(416, "BLOB_UNKNOWN", "nothing there", {"Content-Range": f"bytes */{len(data)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            data, status = data[start:], 206
        self._send(status, data, headers, fault)

    def _error(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        document = {"errors": [{"code": code, "message": message, "detail": None}]}
        self._send(status, json.dumps(document).encode(), headers or {})

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, fault: Fault | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = None if fault is None else fault.cut
        if fault is not None and fault.silence:
            self._fall_silent(body[:cut])
            return
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True
