"""The contexts of the docker command: names for engines, and the addresses and certificates to reach them.

Spec: https://docs.docker.com/engine/manage-resources/contexts/. The SDK is not used: it loads slowly, and finds no
context if the docker command has no other settings.
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
"""The context of the engine on this machine's default socket."""

_ENDPOINT: Final = "docker"


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerContext:
    """The address of an engine, and the certificates to reach it."""

    host: str
    """The URL of the engine, such as ``ssh://ci@arm-1``."""
    ca: Path | None = None
    """The authority (PEM) that must have signed the engine's certificate."""
    certificate: Path | None = None
    key: Path | None = None
    verify: bool = True
    """Whether the engine's certificate is checked."""


def current_context() -> str:
    """Return the current docker context: ``DOCKER_CONTEXT``, else that of the docker command's configuration."""
    if named := os.environ.get("DOCKER_CONTEXT"):
        return named
    try:
        return str(json.loads((_folder() / "config.json").read_bytes()).get("currentContext") or DEFAULT)
    except (OSError, ValueError, AttributeError):  # the docker command ignores a broken file too
        return DEFAULT


def has_context(name: str) -> bool:
    """Whether the context *name* exists, readable or not."""
    return name == DEFAULT or _meta(name).is_file()


def read_context(name: str) -> DockerContext:
    """Return the context *name*, which must not be the default one.

    Raises:
        ValueError: the context cannot be read.
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
        with suppress(OSError, ValueError, LookupError, TypeError):  # a broken context is not listed
            names.append(str(json.loads(path.read_bytes())["Name"]))
    return tuple(sorted(names))


def _folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _meta(name: str) -> Path:
    return _folder() / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
