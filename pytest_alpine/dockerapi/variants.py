"""The differences between the engines that have Docker's API."""

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
    """The properties of one engine's API."""

    name: str
    """The engine's name in ``--alpine-engine``."""
    command: str
    """The command that people use for it."""
    has_init: bool
    """Whether the engine reports that it has an init process for containers."""
    literal_paths: bool
    """See ``ContainerArchive.literal_paths``."""
    measures_memory: bool
    """Whether its containers have their own control groups."""
    disables_networks: bool
    """Whether it supports ``NetworkDisabled``; the container then has no network, and no ``/etc/hosts``."""


def read_api(info: Mapping[str, Any], command: str | None = None) -> Api:
    """Return the properties of the engine whose answer to ``/info`` is *info*; *command* defaults to its name."""
    podman = _ONLY_PODMAN_SAYS in info
    name = _PODMAN if podman else _DOCKER
    # Podman reports it in a field of its own.
    rootless = bool(info.get("Rootless")) or _ROOTLESS in (info.get("SecurityOptions") or ())
    return Api(
        name=name,
        command=command or name,
        has_init=podman or bool(info.get("InitBinary")),  # podman does not report its own
        literal_paths=not podman,
        # A rootless engine cannot create control groups of version 1.
        measures_memory=not (rootless and str(info.get("CgroupVersion")) == "1"),
        disables_networks=not podman,
    )
