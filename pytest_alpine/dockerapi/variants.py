"""How the engines that speak Docker's API differ from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_DOCKER: Final = "docker"
_PODMAN: Final = "podman"
_ONLY_PODMAN_SAYS: Final = "BuildahVersion"
_ROOTLESS: Final = "name=rootless"


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """One of these engines."""

    name: str
    """The word for it in ``--alpine-engine``."""
    command: str
    """What people type to reach it."""
    has_init: bool
    """Whether it has an init process for containers, as far as it tells."""
    literal_paths: bool
    """See ``ContainerArchive.literal_paths``."""
    measures_memory: bool
    """Whether its containers have control groups of their own."""
    disables_networks: bool
    """Whether it knows ``NetworkDisabled``: it makes nothing of a network then, and writes no ``/etc/hosts``."""


def read_api(info: Mapping[str, Any], command: str | None = None) -> Api:
    """Return what *info*, an engine's answer to ``/info``, tells of it; people reach it by *command*, or its name."""
    podman = _ONLY_PODMAN_SAYS in info
    name = _PODMAN if podman else _DOCKER
    # Podman has a field of its own for it.
    rootless = bool(info.get("Rootless")) or _ROOTLESS in (info.get("SecurityOptions") or ())
    return Api(
        name=name,
        command=command or name,
        has_init=podman or bool(info.get("InitBinary")),  # podman does not name its own
        literal_paths=not podman,
        # Only version 2 of control groups lets users have some.
        measures_memory=not (rootless and str(info.get("CgroupVersion")) == "1"),
        disables_networks=not podman,
    )
