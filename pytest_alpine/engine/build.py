"""Images built from a Dockerfile, with the image of a cell as their base, for its platform.

Spec: the Engine API, "Build an image".
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.dockerapi.client import docker_errors
from pytest_alpine.engine.docker.engine import DockerEngine
from pytest_alpine.engine.hosts import engine_of
from pytest_alpine.engine.labels import run_labels
from pytest_alpine.errors import EngineError
from pytest_alpine.image.daemon.source import open_source
from pytest_alpine.image.image import Image
from pytest_alpine.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_alpine.engine.base import Engine

BASE_ARGUMENT: Final = "ALPINE_IMAGE"
"""The build argument that names the cell's image: ``ARG ALPINE_IMAGE=alpine:3.22``, ``FROM ${ALPINE_IMAGE}``."""

_SHOWN_LINES: Final = 20


def build_image(  # noqa: PLR0913 - the options of a build; all but three have a default
    engine: Engine,
    base: Image,
    context: str | Path,
    *,
    dockerfile: str = "Dockerfile",
    target: str = "",
    args: Mapping[str, str] | None = None,
) -> Image:
    """Build the folder *context* for the platform of *base* and return the image, read from the engine.

    Args:
        engine: what builds, where the platform's containers run: Docker, or another that speaks its API.
        base: the image that the build argument ``ALPINE_IMAGE`` names; it is loaded into the engine if need be.
        context: the folder with the Dockerfile.
        dockerfile: its name inside *context*.
        target: the stage to build; the last one when empty.
        args: further build arguments.

    Raises:
        EngineError: the engine cannot build, or the build failed; the message ends with its last lines.
    """
    builder = engine_of(engine, base.platform)
    if not isinstance(builder, DockerEngine):
        raise EngineError(f"the engine {builder.name!r} builds no images (expected docker or podman)")
    if not Path(context, dockerfile).is_file():
        raise EngineError(f"cannot build {context} for {base.platform}: no such file: {Path(context, dockerfile)}")
    held = builder.images.ensure(base)
    with closing(builder.connect()) as client:
        base.access.progress(f"building {context} for {base.platform}")
        with docker_errors(f"cannot build {context} for {base.platform}"):
            built = _built(
                client.api.build(
                    path=str(context),
                    dockerfile=dockerfile,
                    target=target or None,
                    buildargs={BASE_ARGUMENT: held.name, **(args or {})},
                    platform=str(base.platform),
                    labels={name: value for name, value in run_labels().items() if name.endswith(".host")},
                    rm=True,
                    forcerm=True,
                    decode=True,
                ),
                f"building {context} for {base.platform} failed",
            )
    reference = Reference.parse(f"docker-daemon:{built}")
    return Image(open_source(reference, base.platform, base.access, builder.connect), base.access)


def _built(events: Iterable[dict[str, Any]], failed: str) -> str:
    """Return the ID of the built image from the *events* of a build."""
    image_id = ""
    said: list[str] = []
    for event in events:
        if "error" in event:
            raise EngineError("\n".join([f"{failed}: {event['error'].strip()}", *said[-_SHOWN_LINES:]]))
        said += event.get("stream", "").splitlines()
        image_id = event.get("aux", {}).get("ID", image_id)
    if not image_id:
        raise EngineError("\n".join([f"{failed}: the engine named no image", *said[-_SHOWN_LINES:]]))
    return image_id
