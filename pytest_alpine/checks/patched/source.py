"""Reads security data from a folder, one file or a web server. Only a URL is fetched."""

from __future__ import annotations

import os
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.patched.secdb import SecurityDataError
from pytest_alpine.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIX: Final = ".json"
_COMPONENTS: Final = ("main", "community")
_LIMIT: Final = 64 << 20
_EXPECTED: Final = "expected a folder or URL with BRANCH/main.json, or one file of it"


def security_documents(secdb: str | os.PathLike[str], branch: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files of *branch* in *secdb*.

    Args:
        secdb: a folder or an URL which holds ``v3.20/main.json`` and further components, or ``main.json`` itself; or
            the folder's or URL's one file that is meant.
        branch: ``v3.20`` or ``edge``.

    Raises:
        SecurityDataError: there is no such file, or it cannot be read or fetched.
    """
    place = os.fspath(secdb)
    found = _fetched(place, branch) if place.startswith(("http://", "https://")) else _read(Path(place), branch)
    empty = True
    for document in found:
        empty = False
        yield document
    if empty:
        raise SecurityDataError(f"{place}: no security data of {branch} ({_EXPECTED})")


def _read(place: Path, branch: str) -> Iterator[tuple[str, bytes]]:
    folder = place / branch
    try:
        paths = [place] if place.is_file() else sorted((folder if folder.is_dir() else place).glob(f"*{_SUFFIX}"))
        for path in paths:
            yield str(path), path.read_bytes()
    except OSError as error:
        raise SecurityDataError(f"{place}: security data cannot be read: {error.strerror} ({_EXPECTED})") from error


def _fetched(url: str, branch: str) -> Iterator[tuple[str, bytes]]:
    from pytest_alpine.image.http.client import Hints, HttpClient

    folder = url.rstrip("/")
    if not folder.endswith((f"/{branch}", _SUFFIX)):
        folder = f"{folder}/{branch}"
    urls = [url] if url.endswith(_SUFFIX) else [f"{folder}/{component}{_SUFFIX}" for component in _COMPONENTS]
    advice = "keep a copy in a folder, and give that as secdb"
    client = HttpClient(Hints(limited=advice, untrusted=advice))
    for each in urls:
        try:
            response = client.document("GET", each, limit=_LIMIT)
        except ImageError as error:
            raise SecurityDataError(f"{each}: security data cannot be fetched: {error}") from error
        if response.status == HTTPStatus.OK:
            yield each, response.body
        # A branch may have one component only.
        elif response.status != HTTPStatus.NOT_FOUND:
            raise SecurityDataError(f"{each}: security data cannot be fetched: status {response.status}")
