"""One repository of a registry, over HTTP: logs in when the registry asks, and translates its errors.

Spec: https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import difflib
import json
from contextlib import closing
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_alpine.errors import ImageError, ImageNotFound
from pytest_alpine.image.http.client import Hints, HttpClient, Response, Stream
from pytest_alpine.image.http.errors import Unreachable, Untrusted
from pytest_alpine.image.http.loopback import is_loopback
from pytest_alpine.image.registry.auth import authorize, read_credentials
from pytest_alpine.image.registry.tls import tls_context
from pytest_alpine.image.spec.documents import DOCUMENT_LIMIT
from pytest_alpine.image.spec.manifest import INDEX_TYPES, MANIFEST_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_alpine.image.http.patience import Patience
    from pytest_alpine.image.registry.auth import Authorization, Credentials

Got = TypeVar("Got", Response, Stream)

# The name of Docker Hub's images has one host, and another host serves them.
_HOSTS: Final = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
_ACCEPT: Final = ", ".join(sorted(INDEX_TYPES | MANIFEST_TYPES))
_PING_LIMIT: Final = 1 << 16
_NEAREST: Final = 3
_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_FOUND: Final = frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT})


class Repository:
    """One repository of a registry, for reading."""

    def __init__(self, registry: str, name: str, patience: Patience | None = None) -> None:
        """Open nothing yet.

        Args:
            registry: host, with its port where it has one.
            name: the repository's, such as ``library/alpine``.
            patience: how long silent hosts are waited for.
        """
        self.registry = registry
        self.name = name
        self._host = _HOSTS.get(registry, registry)
        self._client: HttpClient | None = None
        self._base = ""
        self._authorization: Authorization | None = None
        self._user = ""
        self._patience = patience
        self._connecting = Lock()
        self._logging_in = Lock()

    def manifest(self, reference: str) -> Response:
        """Return the manifest or index that the tag or digest *reference* names.

        Raises:
            ImageNotFound: there is none; the message names the nearest tags.
            ImageError: the registry refuses or fails.
        """
        response = self._document("GET", f"manifests/{reference}", {"Accept": _ACCEPT})
        if response.status == HTTPStatus.NOT_FOUND:
            raise ImageNotFound(self._not_found(reference, response))
        return self._checked(response, f"manifest {reference}")

    def head(self, reference: str) -> str | None:
        """Return the digest that the tag *reference* leads to, or None where the registry does not say.

        Registries that limit pulls do not count this question.

        Raises:
            ImageError: the registry fails.
        """
        response = self._document("HEAD", f"manifests/{reference}", {"Accept": _ACCEPT})
        return response.headers.get("Docker-Content-Digest") if response.status == HTTPStatus.OK else None

    def has(self, digest: str) -> bool:
        """Whether the repository has a manifest or index with this *digest*.

        Raises:
            Unreachable: the registry does not answer.
        """
        return self._document("HEAD", f"manifests/{digest}", {"Accept": _ACCEPT}).status == HTTPStatus.OK

    def config(self, digest: str) -> Response:
        """Return the blob *digest*, which is a small document.

        Raises:
            ImageError: the registry has none, refuses or fails.
        """
        return self._checked(self._document("GET", f"blobs/{digest}", {}), f"blob {digest}")

    def open_blob(self, digest: str, offset: int = 0) -> Stream:
        """Open the blob *digest* at byte *offset*, or at 0 where the registry knows no ranges; the caller closes it.

        Raises:
            ImageError: the registry has none, refuses or fails.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        stream = self._authorized(lambda client, request: client.open("GET", **request), f"blobs/{digest}", headers)
        if stream.status in _FOUND or (offset and stream.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            return stream
        with closing(stream):
            response = Response(status=stream.status, headers=stream.headers, body=stream.read(_PING_LIMIT))
        raise ImageError(self._failure(response, f"blob {digest}"))

    def _document(self, method: str, path: str, headers: dict[str, str]) -> Response:
        return self._authorized(
            lambda client, request: client.document(method, limit=DOCUMENT_LIMIT, **request), path, headers
        )

    def _authorized(self, send: Callable[[HttpClient, dict[str, Any]], Got], path: str, headers: dict[str, str]) -> Got:
        client = self._connected()
        signed = path.startswith("blobs/")  # registries redirect to other servers, which keep the blobs
        request = {"url": f"{self._base}/v2/{self.name}/{path}", "headers": headers, "signed": signed}
        used = self._authorization
        response = send(client, {**request, "auth": used})
        # The registry refuses an expired token in the same way as no token.
        if response.status == HTTPStatus.UNAUTHORIZED and self._log_in(
            client, response.headers.get("WWW-Authenticate", ""), used
        ):
            if isinstance(response, Stream):
                response.close()
            response = send(client, {**request, "auth": self._authorization})
        return response

    def _connected(self) -> HttpClient:
        with self._connecting:
            if self._client is None:
                context = tls_context(self.registry)
                trusted = {self._host: context} if context else None
                client = HttpClient(_hints(self.registry), trusted, patience=self._patience)
                self._base = _base(client, self._host)
                self._client = client
            return self._client

    def _log_in(self, client: HttpClient, challenge: str, refused: Authorization | None) -> bool:
        """Whether there is another authorization than the one that was *refused*; one thread asks for it."""
        with self._logging_in:
            return self._authorization is not refused or self._ask_for_authorization(client, challenge)

    def _ask_for_authorization(self, client: HttpClient, challenge: str) -> bool:
        credentials, trouble = _credentials(self.registry)
        self._user = f" user {credentials.username!r}" if credentials and credentials.username else ""
        scope = f"repository:{self.name}:pull"
        try:
            self._authorization = authorize(client, challenge, scope, credentials)
        except Unreachable:
            raise
        except ImageError as error:
            raise ImageError(f"cannot log in at {self.registry}: {error}") from error
        if self._authorization is None and trouble:
            raise ImageError(f"cannot log in at {self.registry}: {trouble}")
        return self._authorization is not None

    def _checked(self, response: Response, what: str) -> Response:
        if response.status != HTTPStatus.OK:
            raise ImageError(self._failure(response, what))
        return response

    def _failure(self, response: Response, what: str) -> str:
        if response.status in _REFUSED:
            return (
                f"registry {self.registry} refuses{self._user} access to {self.name!r}{_details(response)}; "
                f"check the name, or log in with `docker login {self.registry}`"
            )
        return f"registry {self.registry} answers {response.status} for {what} of {self.name!r}{_details(response)}"

    def _not_found(self, reference: str, response: Response) -> str:
        if "NAME_UNKNOWN" in _codes(response):
            return f"registry {self.registry} has no repository {self.name!r}"
        if ":" in reference:
            return f"registry {self.registry} has no manifest {reference} in {self.name!r}"
        nearest = difflib.get_close_matches(reference, self._tags(), n=_NEAREST, cutoff=0.5)
        hint = f" (nearest: {', '.join(nearest)})" if nearest else ""
        return f"registry {self.registry} has no tag {reference!r} of {self.name!r}{hint}"

    def _tags(self) -> list[str]:
        """Return the tags on the first page of the list, or none if the registry does not list them."""
        try:
            response = self._document("GET", "tags/list?n=1000", {})
            tags = json.loads(response.body).get("tags")
        except (ImageError, ValueError, AttributeError, RecursionError):
            return []
        return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def _base(client: HttpClient, host: str) -> str:
    """Return scheme and host. For registries on this machine, TLS is tried first, then plain HTTP, as Docker does."""
    if is_loopback(host):
        try:
            client.document("GET", f"https://{host}/v2/", limit=_PING_LIMIT, patient=False)
        except Untrusted:
            raise
        except Unreachable:
            return f"http://{host}"
    return f"https://{host}"


def _hints(registry: str) -> Hints:
    return Hints(
        limited=f"log in with `docker login {registry}`, wait, or name a registry that mirrors the image",
        untrusted=(
            f"place the authority's certificate at /etc/docker/certs.d/{registry}/ca.crt, "
            "or name it in REQUESTS_CA_BUNDLE"
        ),
    )


def _credentials(registry: str) -> tuple[Credentials | None, str]:
    """Return the credentials, or what is wrong with them, which does not matter for public images."""
    try:
        return read_credentials(registry), ""
    except ImageError as error:
        return None, str(error)


def _errors(response: Response) -> list[dict[str, Any]]:
    try:
        errors = json.loads(response.body).get("errors")
    except (ValueError, AttributeError, RecursionError):
        return []
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _codes(response: Response) -> list[str]:
    return [str(error.get("code")) for error in _errors(response)]


def _details(response: Response) -> str:
    texts = [str(error.get("message") or error.get("code")) for error in _errors(response)]
    return f": {'; '.join(texts)}" if texts else ""
