"""Images that earlier runs loaded into an engine, and that nothing uses now."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pytest_alpine.dockerapi.client import docker_errors
from pytest_alpine.errors import EngineRefusedError
from pytest_alpine.image.daemon.load import LOADED
from pytest_alpine.image.store.uses import no_new_uses, read_records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker import DockerClient

# Podman puts a registry of its own before names that have none.
_LOADED: Final = re.compile(rf"(?:localhost/)?{LOADED}:(?P<id>[0-9a-f]{{64}})")
_ATTEMPTS: Final = 10
_PAUSE: Final = 0.2  # seconds
_IN_THE_WAY: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@dataclass(frozen=True, kw_only=True, slots=True)
class RemovedImages:
    """What became of the images that runs loaded into one engine."""

    removed: tuple[str, ...]
    """Their names in the engine."""
    kept: tuple[str, ...]
    """Those that a container or a process uses, or that were used lately."""


def remove_loaded(client: DockerClient, store: Path, unused_for: float | None = None) -> RemovedImages:
    """Remove the images that runs loaded into the engine of *client* and that nothing uses now.

    Args:
        client: a connection to the engine.
        store: the folder of the store, which tells what running processes use.
        unused_for: images that were used in the last so many seconds stay; none when None.

    Raises:
        EngineError: the engine failed.
        StoreError: the store cannot be written.
    """
    found = _listed(client)
    with docker_errors("cannot list the containers of the engine"):
        used = {container["ImageID"] for container in client.api.containers(all=True)}
    recent = _recent(store, unused_for)
    removed = [
        name
        for name, (image_id, own_id) in sorted(found.items())
        if own_id not in used and image_id not in recent and _removed(client, name, store, image_id)
    ]
    return RemovedImages(removed=tuple(removed), kept=tuple(sorted(found.keys() - set(removed))))


def _listed(client: DockerClient) -> dict[str, tuple[str, str]]:
    """Return what ``_loaded`` yields. Podman refuses a list while somebody else removes an image: it is asked again."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE)
        try:
            with docker_errors("cannot list the images that were loaded into the engine"):
                return dict(_loaded(client))
        except EngineRefusedError as error:
            if error.status != HTTPStatus.INTERNAL_SERVER_ERROR or attempt == _ATTEMPTS - 1:
                raise
    return {}


def _loaded(client: DockerClient) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the name of each loaded image, the ID that we know it by, and the engine's own."""
    for image in client.api.images():
        for name in image.get("RepoTags") or ():
            match = _LOADED.fullmatch(name)
            if match:
                yield name, (f"sha256:{match['id']}", image["Id"])


def _recent(store: Path, unused_for: float | None) -> set[str]:
    if unused_for is None:
        return set()
    since = time.time() - unused_for
    return {record.name.id for record in read_records(store) if record.last_use > since}


def _removed(client: DockerClient, name: str, store: Path, image_id: str) -> bool:
    """Remove the image *name* unless a process uses it; return whether it is gone."""
    with no_new_uses(store, image_id) as is_unused:
        if not is_unused:
            return False
        try:
            with docker_errors(f"cannot remove {name} from the engine"):
                client.api.remove_image(name)
        except EngineRefusedError as error:
            if error.status not in _IN_THE_WAY:
                raise
            return error.status == HTTPStatus.NOT_FOUND  # else a container that was made meanwhile uses it
    return True
