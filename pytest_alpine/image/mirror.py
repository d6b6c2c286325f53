"""The files of an Alpine mirror, in a folder or behind HTTP; what is read from the network is remembered.

Spec: what https://wiki.alpinelinux.org/wiki/How_to_setup_a_Alpine_Linux_mirror copies.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote, unquote

from pytest_alpine.errors import ImageError, ImageNotFound
from pytest_alpine.image.download import Download
from pytest_alpine.image.store import not_pulled
from pytest_alpine.image.web import Advice, Body, Unreachable, Web, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_alpine.image.source import ByteStream
    from pytest_alpine.image.store import Store

_TEXT_LIMIT: Final = 1 << 20  # bytes of release files and listings
_KEPT_HEADERS: Final = ("ETag", "Last-Modified", "Content-Length")
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_FRESH: Final = 2.0  # seconds in which a file may change again and keep its time stamp
_ADVICE: Final = Advice(
    limited="wait, or name another mirror", untrusted="name the authority's certificate in REQUESTS_CA_BUNDLE"
)


class Mirror(Protocol):
    """A tree of files; paths are relative to its top."""

    def where(self, path: str) -> str:
        """Return what messages call the file at *path*."""
        ...

    def read(self, path: str) -> str | None:
        """Return the small text file at *path*, or None where there is none."""
        ...

    def names(self, path: str) -> list[str] | None:
        """Return the names in the folder *path*, or None where there is no such folder, or no list of it."""
        ...

    def size(self, path: str) -> int | None:
        """Return the bytes of the file at *path*, or None where there is none, or its size is not told."""
        ...

    def stamp(self, path: str) -> str | None:
        """Return a text that changes with the content of the file at *path*, or None where nothing tells."""
        ...

    def open(self, path: str, *, size: int | None, what: str) -> AbstractContextManager[ByteStream]:
        """Open the file at *path*; its *size* in bytes and *what* it is serve the reports of progress.

        Raises:
            ImageNotFound: there is none.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderMirror:
    """A mirror in a folder of this machine."""

    root: Path

    def where(self, path: str) -> str:
        """Return the file's path."""
        return str(self.root / path)

    def read(self, path: str) -> str | None:
        """Return the small text file at *path*, or None where there is none."""
        try:
            with (self.root / path).open("rb") as stream:
                return stream.read(_TEXT_LIMIT).decode(errors="replace")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise ImageError(f"cannot read {self.root / path}: {error.strerror}") from error

    def names(self, path: str) -> list[str] | None:
        """Return the names in the folder *path*, or None where there is no such folder."""
        try:
            return sorted(entry.name for entry in (self.root / path).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ImageError(f"cannot read {self.root / path}: {error.strerror}") from error

    def size(self, path: str) -> int | None:
        """Return the bytes of the file at *path*, or None where there is none."""
        try:
            return (self.root / path).stat().st_size
        except OSError:
            return None

    def stamp(self, path: str) -> str | None:
        """Return the file's identity and when it was last written; None while that is too fresh to tell."""
        try:
            found = (self.root / path).stat()
        except OSError:
            return None
        # Two writes within one tick of the file system's clock leave one time stamp.
        if time.time() - found.st_mtime < _FRESH:
            return None
        return f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns}"

    @contextmanager
    def open(self, path: str, *, size: int | None, what: str) -> Iterator[ByteStream]:  # noqa: ARG002 - reports of the network
        """Open the file at *path*."""
        try:
            stream = (self.root / path).open("rb")
        except FileNotFoundError as error:
            raise ImageNotFound(f"{what}: no such file: {self.root / path}") from error
        except OSError as error:
            raise ImageError(f"cannot read {self.root / path}: {error.strerror}") from error
        with stream:
            yield stream


@dataclass(frozen=True, kw_only=True, slots=True)
class WebMirror:
    """A mirror behind HTTP."""

    base: str
    """The URL of its top, without a slash at the end."""
    store: Store

    def where(self, path: str) -> str:
        """Return the file's URL."""
        return shown(self._url(path))

    def read(self, path: str) -> str | None:
        """Return the small text file at *path*, or None where there is none."""
        return self._text(self._url(path))

    def names(self, path: str) -> list[str] | None:
        """Return the names that the server lists for the folder *path*, or None where it lists none."""
        page = self._text(f"{self._url(path)}/" if path else f"{self.base}/")
        return None if page is None else _listed(page)

    def size(self, path: str) -> int | None:
        """Return the bytes of the file at *path*, or None where there is none, or the server does not say."""
        length = self._head(path).get("Content-Length", "")
        return int(length) if length.isdecimal() else None

    def stamp(self, path: str) -> str | None:
        """Return what the server says of the file's version, or None where it says nothing."""
        found = self._head(path)
        version = found.get("ETag") or found.get("Last-Modified")
        return f"{version} {found.get('Content-Length')}" if version else None

    @contextmanager
    def open(self, path: str, *, size: int | None, what: str) -> Iterator[ByteStream]:
        """Open the file at *path*."""
        if self.store.pull == "never":
            raise not_pulled(what)
        url = self._url(path)

        def start(offset: int) -> Body:
            body = self._web().open("GET", url, headers={"Range": f"bytes={offset}-"} if offset else {})
            try:
                _check(body.status, url, what)
            except ImageError:
                body.close()
                raise
            return body

        with Download(start, size=size, what=f"downloading {what}", progress=self.store.progress) as stream:
            yield stream

    def _url(self, path: str) -> str:
        return f"{self.base}/{quote(path)}" if path else self.base

    def _web(self) -> Web:
        web: Web = self.store.memo.get("web") or self.store.memo.setdefault("web", Web(_ADVICE))
        return web

    def _text(self, url: str) -> str | None:
        def ask() -> str | None:
            answer = self._web().document("GET", url, limit=_TEXT_LIMIT)
            hidden = url.endswith("/") and answer.status == HTTPStatus.FORBIDDEN  # a folder that is not to be listed
            if hidden or answer.status in _GONE:
                return None
            _check(answer.status, url, shown(url))
            return answer.body.decode(errors="replace")

        return self._remembered(f"GET {url}", ask)

    def _head(self, path: str) -> dict[str, str]:
        url = self._url(path)

        def ask() -> str | None:
            answer = self._web().document("HEAD", url, limit=_TEXT_LIMIT)
            kept = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
            return json.dumps(kept) if answer.status == HTTPStatus.OK else None

        found: dict[str, str] = json.loads(self._remembered(f"HEAD {url}", ask) or "{}")
        return found

    def _remembered(self, name: str, ask: Callable[[], str | None]) -> str | None:
        """Return what *ask* returns, asked for once while the process lives; see ``Store`` for the pull policies."""
        if name not in self.store.memo:
            self.store.memo[name] = self._asked(name, ask)
        text: str | None = self.store.memo[name]
        return text

    def _asked(self, name: str, ask: Callable[[], str | None]) -> str | None:
        known, pull = self.store.recall(name), self.store.pull
        if pull == "never":
            return known
        try:
            text = ask()
        except Unreachable as error:
            if pull == "always" or known is None:
                raise
            self.store.progress(f"{error}; taken as it was last")
            return known
        if text is not None:
            self.store.remember(name, text)
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
    """Return the names of files and folders in a server's *page* on a folder; other links lead elsewhere."""
    links = _Links()
    links.feed(page)
    names = (unquote(target.removeprefix("./").removesuffix("/")) for target in links.targets)
    return sorted({name for name in names if name and "/" not in name and name[0] not in "?#."})
