"""The files of an Alpine mirror behind HTTP; the store caches what was read."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from pytest_alpine.errors import ImageError, ImageNotFound
from pytest_alpine.image.access import Access, not_pulled
from pytest_alpine.image.http.client import Hints, HttpClient, Stream, shown
from pytest_alpine.image.http.download import Download
from pytest_alpine.image.http.errors import Unreachable
from pytest_alpine.image.minirootfs.mirror import TEXT_LIMIT, Mirror

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_alpine.image.blobs.layer import ByteStream

_KEPT_HEADERS: Final = ("ETag", "Last-Modified", "Content-Length")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_HINTS: Final = Hints(
    limited="wait, or name another mirror", untrusted="name the authority's certificate in REQUESTS_CA_BUNDLE"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class WebMirror:
    """A mirror behind HTTP."""

    base: str
    """The URL of its top, without a slash at the end."""
    access: Access

    def where(self, path: str) -> str:
        """Return the file's URL."""
        return shown(self._url(path))

    def read(self, path: str) -> str | None:
        """Return the small text file at *path*, or None where there is none."""
        return self._text(self._url(path))

    def names(self, path: str) -> list[str] | None:
        """Return the names that the server lists for the folder *path*, or None if it lists none."""
        page = self._text(f"{self._url(path)}/" if path else f"{self.base}/")
        return None if page is None else _listed(page)

    def size(self, path: str) -> int | None:
        """Return the bytes of the file at *path*, or None if there is none, or the server does not say."""
        length = self._head(path).get("Content-Length", "")
        return int(length) if _LENGTH.fullmatch(length) else None

    def stamp(self, path: str) -> str | None:
        """Return the file's version as the server reports it, or None if it does not."""
        found = self._head(path)
        version = found.get("ETag") or found.get("Last-Modified")
        return f"{version} {found.get('Content-Length')}" if version else None

    @contextmanager
    def open(self, path: str, *, size: int | None, what: str) -> Iterator[ByteStream]:
        """Open the file at *path*."""
        if self.access.pull == "never":
            raise not_pulled(what)
        url = self._url(path)

        def start(offset: int) -> Stream:
            stream = self._client().open("GET", url, headers={"Range": f"bytes={offset}-"} if offset else {})
            try:
                _check(stream.status, url, what)
            except ImageError:
                stream.close()
                raise
            return stream

        with Download(start, size=size, what=f"downloading {what}", progress=self.access.progress) as stream:
            yield stream

    def _url(self, path: str) -> str:
        return f"{self.base}/{quote(path)}" if path else self.base

    def _client(self) -> HttpClient:
        return self.access.once("http client", lambda: HttpClient(_HINTS, patience=self.access.patience))

    def _text(self, url: str) -> str | None:
        def ask() -> str | None:
            response = self._client().document("GET", url, limit=TEXT_LIMIT)
            hidden = (
                url.endswith("/") and response.status == HTTPStatus.FORBIDDEN
            )  # the server does not list this folder
            if hidden or response.status in _GONE:
                return None
            _check(response.status, url, shown(url))
            return response.body.decode(errors="replace")

        return self._cached(f"GET {url}", ask)

    def _head(self, path: str) -> dict[str, str]:
        url = self._url(path)

        def ask() -> str | None:
            response = self._client().document("HEAD", url, limit=TEXT_LIMIT)
            kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
            return json.dumps(kept) if response.status == HTTPStatus.OK else None

        found: dict[str, str] = json.loads(self._cached(f"HEAD {url}", ask) or "{}")
        return found

    def _cached(self, name: str, ask: Callable[[], str | None]) -> str | None:
        """Return what *ask* returned the first time; see ``Access`` for the pull policies."""
        return self.access.once(name, lambda: self._asked(name, ask))

    def _asked(self, name: str, ask: Callable[[], str | None]) -> str | None:
        known, pull = self.access.store.cached(name), self.access.pull
        if pull == "never":
            return known
        agreed = self.access.notes.read(name)
        if agreed is not None:
            return agreed
        try:
            text = ask()
        except Unreachable as error:
            if pull == "always" or known is None:
                raise
            self.access.progress(f"{error}; taken as it was last")
            return self.access.notes.agree(name, known)
        if text is not None:
            self.access.store.cache(name, text)
            text = self.access.notes.agree(name, text)
        return text


def _check(status: int, url: str, what: str) -> None:
    if status in _GONE:
        raise ImageNotFound(f"{what}: the server answers {status} for {shown(url)}: no such file")
    if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}:
        raise ImageError(f"{what}: the server answers {status} for {shown(url)}")


class _Links(HTMLParser):
    """The targets of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _listed(page: str) -> list[str]:
    """Return the files and folders that a server's *page* about a folder links to; other links lead elsewhere."""
    links = _Links()
    links.feed(page)
    names = (unquote(target.removeprefix("./").removesuffix("/")) for target in links.targets)
    return sorted({name for name in names if name and "/" not in name and name[0] not in "?#."})


if TYPE_CHECKING:
    _: type[Mirror] = WebMirror
