"""What a Docker engine tells about an image that it holds, and the stream of an image that it saves.

Spec: the Engine API, https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from difflib import get_close_matches
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_alpine.dockerapi.client import Connect, docker_errors
from pytest_alpine.errors import EngineRefusedError, ImageNotFound
from pytest_alpine.image.daemon.load import LOADED
from pytest_alpine.image.manifest_source import config_platform
from pytest_alpine.image.spec.documents import checked_digest, field

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from docker import DockerClient

    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference

T = TypeVar("T")

# Podman's words when another process loads or removes some image at this moment.
_DISTURBED: Final = "failed to convert ImageData to ImageInspect"
_PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
_PIECE: Final = 1 << 20
_TAIL: Final = 4096
_SHOWN: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineImage:
    """An image as the engine describes it."""

    reference: Reference
    connect: Connect
    """Opens another connection to the engine."""
    id: str
    """The digest of the configuration in a classic store, of the manifest or index in a containerd store."""
    platform: Platform | None
    """With a containerd store, one of several; None if the engine does not tell the variant, as Podman."""
    diff_ids: tuple[str, ...]
    """The layers for this platform, base first."""
    classic: bool
    """Whether the engine has a classic store, which keeps one platform per tag, and no manifests."""


def inspect(client: DockerClient, reference: Reference, connect: Connect) -> EngineImage:
    """Return what the engine behind *client* tells about *reference*; *connect* opens another connection to it.

    Raises:
        ImageNotFound: it holds no such image; the message names those with the nearest names.
        MalformedImage: its answer cannot be understood.
        EngineError: it failed.
    """
    try:
        details = undisturbed(lambda: _details(client, reference))
    except EngineRefusedError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            raise ImageNotFound(_not_held(client, reference)) from error
        raise
    where = f"{reference}, as the engine describes it"
    engine_id = field(details, "Id", str, where)
    digests = [str(digest).rpartition("@")[2] for digest in field(details, "RepoDigests", list, where, [])]
    rootfs = field(details, "RootFS", dict, where, {})
    lower = {name: details.get(name.capitalize()) for name in ("os", "architecture", "variant")}
    return EngineImage(
        reference=reference,
        connect=connect,
        id=checked_digest(engine_id if ":" in engine_id else f"sha256:{engine_id}", where),
        platform=None if lower["architecture"] == "arm" and not lower["variant"] else config_platform(lower, where),
        diff_ids=tuple(checked_digest(layer, where) for layer in field(rootfs, "Layers", list, where, [])),
        classic=not details.get("Descriptor") and engine_id not in digests,
    )


def undisturbed(ask: Callable[[], T]) -> T:
    """Return what *ask* returns; ask again while the engine fails because another process changes its images.

    Raises:
        EngineError: the engine failed, or still fails in this way after a second and a half.
    """
    for pause in _PAUSES:
        try:
            return ask()
        except EngineRefusedError as error:
            if _DISTURBED not in error.explanation:
                raise
        time.sleep(pause)
    return ask()


class SaveStream:
    """The tar that the engine writes when it saves an image. The caller closes it."""

    def __init__(self, client: DockerClient, held: EngineImage) -> None:
        self._doing = f"cannot save {held.reference}"
        self._rest = b""
        self._last = b""
        with docker_errors(self._doing):
            # By ID: a tag may move between two requests.
            self._pieces: Generator[bytes] = client.api.get_image(held.id, chunk_size=_PIECE)

    @property
    def is_empty(self) -> bool:
        """Whether no bytes have arrived yet."""
        return not self._last

    @property
    def complaint(self) -> str:
        """The error that the engine writes into the stream if it fails in the middle of an image, else empty."""
        text = self._last.decode("utf-8", "replace")
        return "".join(text.partition('{"errorDetail')[1:]).strip()

    def close(self) -> None:
        """Close the connection, unless the stream was read to its end."""
        self._pieces.close()

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes; none at the end."""
        if not self._rest:
            with docker_errors(self._doing):
                self._rest = next(self._pieces, b"")
            self._last = (self._last + self._rest[-_TAIL:])[-_TAIL:]
        data = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(data) :]
        return data


def _details(client: DockerClient, reference: Reference) -> dict[str, Any]:
    with docker_errors(f"cannot inspect {reference}"):
        details: dict[str, Any] = client.images.get(_engine_name(reference)).attrs
    return details


def _engine_name(reference: Reference) -> str:
    if reference.digest:
        return f"{reference.name}@{reference.digest}"
    return f"{reference.name}:{reference.tag}" if reference.tag else reference.name


def _not_held(client: DockerClient, reference: Reference) -> str:
    name = _engine_name(reference)
    with docker_errors("cannot list the engine's images"):
        tags = [tag for image in client.api.images() for tag in image.get("RepoTags") or ()]
    # Images that a run loaded have names that help nobody.
    there = sorted(tag for tag in tags if not tag.startswith(("<none>", f"{LOADED}:")))
    near = get_close_matches(name, there, n=_SHOWN, cutoff=0.5) or there[:_SHOWN]
    shown = f"it holds {', '.join(near)}" if near else "it holds no image with a name"
    return f"{reference}: no such image in the Docker engine ({shown}); pull it first: docker pull {name}"


def other_platform(held: EngineImage, platform: Platform, there: Sequence[Platform]) -> str:
    """Return the message that the engine holds *held* for the platforms *there*, but not for *platform*."""
    return (
        f"{held.reference}: the Docker engine holds it for {', '.join(map(str, there)) or 'no platform'}, "
        f"not for {platform}; pull it first: docker pull --platform {platform} {_engine_name(held.reference)}"
    )
