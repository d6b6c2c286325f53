"""The transport ``docker-daemon:NAME``: the images that a Docker engine holds.

Spec: the Engine API, https://docs.docker.com/reference/api/engine/. An engine's classic store names an image by the
digest of its configuration; its containerd store by the digest of its manifest or index, which may hold several
platforms. A saved image is kept in the local store, where the same digest finds it again.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import EngineError, EngineUnavailable, ImageNotFound, MalformedImage, PlatformNotFound
from pytest_alpine.image.docker_client import STILL_UP, EngineRefusedError, connect, docker_errors
from pytest_alpine.image.document import checked_digest, field
from pytest_alpine.image.manifest import Descriptor
from pytest_alpine.image.manifest_source import config_platform, manifest_source, published_manifests
from pytest_alpine.image.save_stream import keep_saved, saved_layer
from pytest_alpine.image.source import ImageSource, Layer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from docker import DockerClient

    from pytest_alpine.image.source import ByteStream
    from pytest_alpine.image.store import Store
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference

_NOT_FOUND: Final = 404
_PIECE: Final = 1 << 20
_TAIL: Final = 4096
_SHOWN: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineImage:
    """An image of a classic store, which keeps no manifests."""

    reference: Reference
    platform: Platform
    config: bytes
    layer_list: tuple[Layer, ...]
    digest: str | None = None

    def raw_config(self) -> bytes:
        """Return the image's configuration, byte for byte."""
        return self.config

    def layers(self) -> Sequence[Layer]:
        """Return the layers, base first. Their sizes are unknown, as a classic store holds no blobs of them."""
        return self.layer_list


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    """An image as the engine describes it."""

    reference: Reference
    id: str
    platform: Platform
    """With a containerd store, one of several."""
    diff_ids: tuple[str, ...]
    classic: bool


class _NotSavedError(MalformedImage):
    """The local store lacks something of the image."""


def published(reference: Reference, store: Store) -> tuple[Platform, ...]:
    """Return the platforms for which the engine holds *reference*.

    Raises:
        ImageNotFound: the engine does not hold it.
        EngineError: no engine answers, or it failed.
    """
    with closing(connect()) as client:
        held = _inspect(client, reference)
        if held.classic:
            return (held.platform,)
        if store.document(held.id) is None:
            _save(client, held, store)
    return tuple(_manifests(held, store))


def open_source(reference: Reference, platform: Platform, store: Store) -> ImageSource:
    """Return the image *reference* for *platform*; what the store lacks of it is copied from the engine at once.

    Raises:
        ImageNotFound: the engine does not hold it.
        PlatformNotFound: the engine holds it for other platforms only.
        MalformedImage: the engine does not give all of it.
        EngineError: no engine answers, or it failed.
    """
    with closing(connect()) as client:
        held = _inspect(client, reference)
        if held.classic:
            _check_classic(held, platform)
        try:
            return _from_store(held, platform, store)
        except _NotSavedError:
            with store.lock(held.id, waiting=f"waiting for another process that copies {reference}"):
                return _from_engine(client, held, platform, store)


def _inspect(client: DockerClient, reference: Reference) -> _Held:
    name = _engine_name(reference)
    try:
        with docker_errors(f"cannot inspect {reference}"):
            details: dict[str, Any] = client.images.get(name).attrs
    except EngineRefusedError as error:
        if error.status == _NOT_FOUND:
            raise ImageNotFound(_not_held(client, reference)) from error
        raise
    where = f"{reference}, as the engine describes it"
    engine_id = field(details, "Id", str, where)
    digests = [str(digest).rpartition("@")[2] for digest in field(details, "RepoDigests", list, where, [])]
    rootfs = field(details, "RootFS", dict, where, {})
    lower = {name: details.get(name.capitalize()) for name in ("os", "architecture", "variant")}
    return _Held(
        reference=reference,
        id=checked_digest(engine_id if ":" in engine_id else f"sha256:{engine_id}", where),
        platform=config_platform(lower, where),
        diff_ids=tuple(checked_digest(layer, where) for layer in field(rootfs, "Layers", list, where, [])),
        classic=not details.get("Descriptor") and engine_id not in digests,
    )


def _check_classic(held: _Held, platform: Platform) -> None:
    if held.platform != platform:
        raise PlatformNotFound(_other_platform(held, platform, (held.platform,)))
    if not held.diff_ids:  # engines refuse to save such an image
        raise MalformedImage(f"{held.reference} ({platform}) has no layers (expected at least one)")


def _from_engine(client: DockerClient, held: _Held, platform: Platform, store: Store) -> ImageSource:
    try:
        return _from_store(held, platform, store)  # another process may have copied it meanwhile
    except _NotSavedError:
        _save(client, held, store)
    if not held.classic and platform not in (there := _manifests(held, store)):
        raise PlatformNotFound(_other_platform(held, platform, tuple(there)))
    return _from_store(held, platform, store)


def _from_store(held: _Held, platform: Platform, store: Store) -> ImageSource:
    """Return the image out of the local store.

    Raises:
        _NotSavedError: something of it is not there.
    """
    source = _classic_image(held, store) if held.classic else _containerd_image(held, platform, store)
    for layer in source.layers():
        if layer.diff_id is None or not store.has(layer.diff_id):
            raise _NotSavedError(f"{layer.where}: the engine did not give layer {layer.diff_id}; pull the image again")
    return source


def _classic_image(held: _Held, store: Store) -> EngineImage:
    where = f"{held.reference} {held.platform}"
    scratch = store.root / "incoming"
    layers = (
        Layer(open=partial(_open_layer, held, diff_id, scratch), where=f"{where}, layer {number}", diff_id=diff_id)
        for number, diff_id in enumerate(held.diff_ids)
    )
    return EngineImage(
        reference=held.reference,
        platform=held.platform,
        config=_document(held, held.id, store),
        layer_list=tuple(layers),
    )


def _containerd_image(held: _Held, platform: Platform, store: Store) -> ImageSource:
    manifests = _manifests(held, store)
    if platform not in manifests:
        raise _NotSavedError(_other_platform(held, platform, tuple(manifests)))
    scratch = store.root / "incoming"
    return manifest_source(
        held.reference,
        platform,
        manifests,
        lambda blob: _document(held, blob.digest, store),
        lambda blob: _open_layer(held, blob.digest, scratch),
    )


def _manifests(held: _Held, store: Store) -> dict[Platform, Descriptor]:
    """Return the manifests of the platforms that the engine gave; an index may name more than were ever pulled."""
    root = Descriptor(digest=held.id, size=len(_document(held, held.id, store)), annotations={})
    listed = published_manifests(root, lambda blob: _document(held, blob.digest, store), str(held.reference))
    return {platform: found for platform, found in listed.items() if store.document(found.digest) is not None}


def _document(held: _Held, digest: str, store: Store) -> bytes:
    data = store.document(digest)
    if data is None:
        raise _NotSavedError(f"{held.reference}: the engine did not give the document {digest}; pull the image again")
    return data


def _save(client: DockerClient, held: _Held, store: Store) -> None:
    store.progress(f"copying {held.reference} {held.platform} from the Docker engine")
    with closing(_SaveStream(client, held)) as stream:
        try:
            keep_saved(stream, store, f"{held.reference}, as saved by the engine")
        except MalformedImage as error:
            if stream.is_empty:
                raise EngineUnavailable(f"cannot save {held.reference}: the engine gave nothing; {STILL_UP}") from error
            if stream.complaint:
                raise EngineError(f"cannot save {held.reference}: the engine failed: {stream.complaint}") from error
            raise


@contextmanager
def _open_layer(held: _Held, digest: str, scratch: Path) -> Iterator[ByteStream]:
    """Open a layer that the local store has lost since the image was opened."""
    where = f"{held.reference}, as saved by the engine"
    with (
        closing(connect()) as client,
        closing(_SaveStream(client, held)) as stream,
        saved_layer(stream, digest, scratch, where) as layer,
    ):
        yield layer


class _SaveStream:
    """The tar that the engine writes of an image."""

    def __init__(self, client: DockerClient, held: _Held) -> None:
        self._doing = f"cannot save {held.reference}"
        self._rest = b""
        self._last = b""
        with docker_errors(self._doing):
            # By ID: a tag may be moved between two requests.
            self._pieces: Generator[bytes] = client.api.get_image(held.id, chunk_size=_PIECE)

    @property
    def is_empty(self) -> bool:
        """Whether nothing came so far."""
        return not self._last

    @property
    def complaint(self) -> str:
        """What the engine writes behind the bytes of an image in the middle of which it failed, if it did."""
        text = self._last.decode("utf-8", "replace")
        return "".join(text.partition('{"errorDetail')[1:]).strip()

    def close(self) -> None:
        """Close the connection, unless it was read to its end."""
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


def _engine_name(reference: Reference) -> str:
    if reference.digest:
        return f"{reference.name}@{reference.digest}"
    return f"{reference.name}:{reference.tag}" if reference.tag else reference.name


def _not_held(client: DockerClient, reference: Reference) -> str:
    name = _engine_name(reference)
    with docker_errors("cannot list the engine's images"):
        tags = [tag for image in client.api.images() for tag in image.get("RepoTags") or ()]
    there = sorted(tag for tag in tags if not tag.startswith("<none>"))
    near = get_close_matches(name, there, n=_SHOWN, cutoff=0.5) or there[:_SHOWN]
    shown = f"it holds {', '.join(near)}" if near else "it holds no image with a name"
    return f"{reference}: no such image in the Docker engine ({shown}); pull it first: docker pull {name}"


def _other_platform(held: _Held, platform: Platform, there: Sequence[Platform]) -> str:
    return (
        f"{held.reference}: the Docker engine holds it for {', '.join(map(str, there)) or 'no platform'}, "
        f"not for {platform}; pull it first: docker pull --platform {platform} {_engine_name(held.reference)}"
    )


if TYPE_CHECKING:
    _: type[ImageSource] = EngineImage
