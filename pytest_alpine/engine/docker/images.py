"""Images in the store of an engine with Docker's API: found or loaded, and always verified.

In a classic store, the ID of an image is the digest of its configuration; in containerd's, that of its manifest or
index. So an image is searched by its ID, and by a name that contains its ID and that this package gave to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.dockerapi.client import docker_errors
from pytest_alpine.errors import EngineError, EngineRefusedError
from pytest_alpine.image.daemon.inspect import undisturbed
from pytest_alpine.image.daemon.load import LOADED, docker_archive
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from docker import DockerClient

    from pytest_alpine.image.image import Image

# From this version on, a name may have several platforms, so that requests contain the platform.
_INSPECTS_PLATFORMS: Final = (1, 49)


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineImage:
    """An image in the store of the engine."""

    name: str
    """The ID that containers are created from."""
    platform: str
    """Its platform as the engine writes it."""


class DockerImages:
    """The images of one engine."""

    def __init__(self, client: DockerClient, engine_id: str) -> None:
        self._client = client
        self._engine_id = engine_id

    def ensure(self, image: Image) -> EngineImage:
        """Return *image* in the store of the engine. If it is missing, one process loads it.

        Raises:
            EngineError: the engine failed, or holds something else by this name.
            ImageError: the image cannot be read.
        """
        held = self._find(image)
        if held is None:
            what = f"{image.reference} {image.platform}"
            with image.access.lock(
                f"load {image.id} into {self._engine_id}",
                waiting=f"waiting for another process that loads {what} into the engine",
            ):
                held = self._find(image) or self._load(image, what)
        return held

    def verify(self, image: Image, name: str) -> EngineImage:
        """Return the engine's image *name*, after the check that it is *image*.

        Raises:
            EngineError: it is another image, or one for another platform.
        """
        found = self._inspect(image, name)
        if found is None:
            raise EngineError(f"the engine has lost {image} meanwhile; was its store cleaned up? Run the tests again")
        return _verified(image, name, found)

    def _find(self, image: Image) -> EngineImage | None:
        for name in (image.id, _name(image)):
            found = self._inspect(image, name)
            if found is not None:
                return _verified(image, name, found)
        return None

    def _load(self, image: Image, what: str) -> EngineImage:
        image.access.progress(f"loading {what} into the engine")
        name = _name(image)
        with docker_errors(f"cannot load {what} into the engine"):
            lines = self._client.api.load_image(docker_archive(image, name))  # type: ignore[no-untyped-call]  # the SDK's
            errors = [str(line["error"]) for line in lines if "error" in line]
        if errors:
            raise EngineError(f"cannot load {what} into the engine: {errors[0]}")
        return self.verify(image, name)

    def _inspect(self, image: Image, name: str) -> dict[str, Any] | None:
        return undisturbed(lambda: self._ask(image, name))

    def _ask(self, image: Image, name: str) -> dict[str, Any] | None:
        api = self._client.api
        version = tuple(int(part) for part in api.api_version.split("."))
        params = {"platform": json.dumps(_platform_object(image.platform))} if version >= _INSPECTS_PLATFORMS else {}
        doing = f"cannot look for {image.reference} {image.platform} in the engine"
        with docker_errors(doing):
            url = f"{api.base_url}/v{api.api_version}/images/{name}/json"
            with api.get(url, params=params, timeout=api.timeout) as response:
                if response.status_code == HTTPStatus.OK:
                    found: dict[str, Any] = response.json()
                    return found
                said = response.text.strip()
                if response.status_code == HTTPStatus.NOT_FOUND:
                    return None
        message = f"{doing}: the engine refused: {said} (HTTP {response.status_code})"
        raise EngineRefusedError(message, status=response.status_code, explanation=said)


def _name(image: Image) -> str:
    return f"{LOADED}:{image.id.partition(':')[2]}"


def _platform_object(platform: Platform) -> dict[str, str]:
    fields = {"os": platform.os, "architecture": platform.architecture, "variant": platform.variant}
    return {name: value for name, value in fields.items() if value}


def _verified(image: Image, name: str, found: dict[str, Any]) -> EngineImage:
    """Return the engine's image, after the check that it is *image*: the same layers and the same platform."""
    words = [str(found.get(key) or "") for key in ("Os", "Architecture", "Variant")]
    held = Platform(os=words[0], architecture=words[1], variant=words[2])
    wanted = image.platform
    # The configuration of an old image for ARM has no variant; only the index has it.
    same = held == wanted or (not words[2] and (held.os, held.architecture) == (wanted.os, wanted.architecture))
    if not same:
        raise EngineError(f"{image}: the engine holds {name} for {str(held)!r} (expected {str(wanted)!r})")
    layers = tuple((found.get("RootFS") or {}).get("Layers") or ())
    if layers != tuple(image.config.diff_ids):
        raise EngineError(f"{image}: the engine holds other layers as {name}; remove it: docker rmi {name}")
    return EngineImage(name=str(found["Id"]), platform="/".join(filter(None, words)))
