"""The docker command's contexts: names for engines, and what it takes to reach them.

Spec: https://docs.docker.com/engine/manage-resources/contexts/. Read without the SDK, which takes long to load, and
finds no context where the docker command has no other settings.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT: Final = "default"
"""The context that leads to the socket of this machine's engine."""

_ENDPOINT: Final = "docker"


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerContext:
    """How to reach an engine."""

    host: str
    """A URL, such as ``ssh://ci@arm-1``."""
    ca: Path | None = None
    """The authority (PEM) that the engine's certificate is held against."""
    certificate: Path | None = None
    key: Path | None = None
    verify: bool = True
    """Whether the engine's certificate is looked at."""


def current_context() -> str:
    """Return the docker context in use: ``DOCKER_CONTEXT``, else what the docker command's configuration names."""
    if named := os.environ.get("DOCKER_CONTEXT"):
        return named
    try:
        return str(json.loads((_folder() / "config.json").read_bytes()).get("currentContext") or DEFAULT)
    except (OSError, ValueError, AttributeError):  # the command takes a broken file for none, too
        return DEFAULT


def has_context(name: str) -> bool:
    """Whether there is a context *name*, readable or not."""
    return name == DEFAULT or _meta(name).is_file()


def read_context(name: str) -> DockerContext:
    """Return the context *name*, which is not the default one.

    Raises:
        ValueError: it cannot be read.
    """
    path = _meta(name)
    try:
        endpoint = json.loads(path.read_bytes())["Endpoints"][_ENDPOINT]
        host, verify = str(endpoint["Host"]), not endpoint.get("SkipTLSVerify")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: {error!r} (expected a host at Endpoints.{_ENDPOINT}.Host)") from error
    folder = path.parents[2] / "tls" / path.parent.name / _ENDPOINT
    files = {part: found for part in ("ca", "cert", "key") if (found := folder / f"{part}.pem").is_file()}
    return DockerContext(
        host=host, ca=files.get("ca"), certificate=files.get("cert"), key=files.get("key"), verify=verify
    )


def known_contexts() -> tuple[str, ...]:
    """Return the names of all contexts, sorted."""
    names = [DEFAULT]
    for path in (_folder() / "contexts" / "meta").glob("*/meta.json"):
        with suppress(OSError, ValueError, LookupError, TypeError):  # a broken one is not the one that was asked for
            names.append(str(json.loads(path.read_bytes())["Name"]))
    return tuple(sorted(names))


def _folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _meta(name: str) -> Path:
    return _folder() / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
