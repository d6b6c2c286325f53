"""Pushing images to a registry; what is there already is left alone.

Spec: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.bed.images import DOCKER, OCI, ZSTD, Form, index
from tests.bed.state import BedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from requests import Response, Session

    from tests.bed.images import Index
    from tests.bed.layers import Blob
    from tests.bed.mirror import Release

ZSTD_TAG = "3.20"  # one release is enough to have zstd layers


def publish(host: str, releases: Sequence[Release]) -> int:
    """Have every tag of *releases* in the registry at *host*, in every form; the number of tags pushed."""
    import requests

    with requests.Session() as session:
        session.trust_env = False  # a proxy has no business with a registry on loopback
        return sum(_publish(session, f"http://{host}/v2", release, form) for release, form in _plan(releases))


def _plan(releases: Sequence[Release]) -> Iterator[tuple[Release, Form]]:
    for release in releases:
        yield release, OCI
        yield release, DOCKER
        if ZSTD_TAG in release.tags:
            yield release, ZSTD


def _publish(session: Session, api: str, release: Release, form: Form) -> int:
    image = index(release, form)
    stale = [tag for tag in release.tags if not _current(session, f"{api}/{form.repository}/manifests/{tag}", image)]
    if stale:
        _push_parts(session, f"{api}/{form.repository}", image)
    for tag in stale:
        _put_manifest(session, f"{api}/{form.repository}/manifests/{tag}", image.media_type, image.blob)
    return len(stale)


def _push_parts(session: Session, repository: str, image: Index) -> None:
    for part in image.manifests:
        for stored in part.refers_to:
            _push_blob(session, repository, stored)
        _put_manifest(session, f"{repository}/manifests/{part.blob.digest}", part.media_type, part.blob)


def _current(session: Session, url: str, image: Index) -> bool:
    answer = session.head(url, headers={"Accept": image.media_type})
    return answer.status_code == HTTPStatus.OK and answer.headers.get("Docker-Content-Digest") == image.blob.digest


def _push_blob(session: Session, repository: str, stored: Blob) -> None:
    if session.head(f"{repository}/blobs/{stored.digest}").status_code == HTTPStatus.OK:
        return
    # Where another repository holds the blob, mounting it spares the upload (201 in place of 202).
    begun = session.post(f"{repository}/blobs/uploads/?mount={quote(stored.digest)}&from={OCI.repository}")
    if begun.status_code == HTTPStatus.CREATED:
        return
    _expect(begun, HTTPStatus.ACCEPTED)
    location = begun.headers["Location"]
    separator = "&" if "?" in location else "?"
    _expect(session.put(f"{location}{separator}digest={quote(stored.digest)}", data=stored.read()), HTTPStatus.CREATED)


def _put_manifest(session: Session, url: str, media_type: str, stored: Blob) -> None:
    _expect(session.put(url, data=stored.read(), headers={"Content-Type": media_type}), HTTPStatus.CREATED)


def _expect(answer: Response, status: HTTPStatus) -> None:
    if answer.status_code != status:
        said = f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text}"
        raise BedError(f"the test bed's registry refused an upload: {said}")
