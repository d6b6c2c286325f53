"""The configuration of an image: what it says about itself.

Spec: https://github.com/opencontainers/image-spec/blob/main/config.md; ``OnBuild`` and ``Shell`` are Docker's:
https://github.com/moby/docker-image-spec
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_alpine.errors import MalformedImage
from pytest_alpine.image.spec.documents import field, parse_json
from pytest_alpine.image.spec.healthcheck import Healthcheck, parse_healthcheck
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryEntry:
    """The build step that made one layer, or one that made no layer."""

    created: str | None
    created_by: str
    comment: str
    empty_layer: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageConfig:
    """An image's configuration. What the image does not say is empty, or None."""

    architecture: str
    """As written, in OCI's words: ``amd64``, ``arm``, ..."""
    os: str
    variant: str
    created: str | None
    """When it was built (RFC 3339)."""
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: Mapping[str, str]
    user: str
    working_dir: str
    labels: Mapping[str, str]
    exposed_ports: tuple[str, ...]
    """``port/protocol`` or ``port``, sorted."""
    volumes: tuple[str, ...]
    """Paths, sorted."""
    stop_signal: str
    healthcheck: Healthcheck | None
    """How an engine finds out whether a container is healthy."""
    onbuild: tuple[str, ...]
    """What a build upon this image does first, as lines of a Dockerfile."""
    shell: tuple[str, ...]
    """What lines of shell in the Dockerfile and in its health check are given to; engines take ``/bin/sh -c`` where it
    is empty."""
    diff_ids: tuple[str, ...]
    """Digests of the uncompressed layers, base first."""
    history: tuple[HistoryEntry, ...]

    @property
    def platform(self) -> Platform:
        """The platform that the image says it is for."""
        return Platform(os=self.os, architecture=self.architecture, variant=self.variant)


def parse_config(data: bytes, where: str) -> ImageConfig:
    """Return the configuration in *data*.

    Raises:
        MalformedImage: *data* is no JSON object, or a field is of another type than the specification says; the
            message begins with *where*.
    """
    document = parse_json(data, where)
    config = field(document, "config", dict, where, {})
    rootfs = field(document, "rootfs", dict, where, {})
    return ImageConfig(
        architecture=field(document, "architecture", str, where, ""),
        os=field(document, "os", str, where, "") or "linux",
        variant=field(document, "variant", str, where, ""),
        created=field(document, "created", str, where, "") or None,
        entrypoint=_words(config, "Entrypoint", where),
        cmd=_words(config, "Cmd", where),
        env=_environment(config, where),
        user=field(config, "User", str, where, ""),
        working_dir=field(config, "WorkingDir", str, where, ""),
        labels=MappingProxyType(_texts(config, "Labels", where)),
        exposed_ports=tuple(sorted(field(config, "ExposedPorts", dict, where, {}))),
        volumes=tuple(sorted(field(config, "Volumes", dict, where, {}))),
        stop_signal=field(config, "StopSignal", str, where, ""),
        healthcheck=parse_healthcheck(config, where),
        onbuild=_words(config, "OnBuild", where),
        shell=_words(config, "Shell", where),
        diff_ids=_words(rootfs, "diff_ids", where),
        history=tuple(_history(document, where)),
    )


def _words(document: dict[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = document.get(name)
    if isinstance(value, str):  # Docker once wrote a string here, and still reads it
        return (value,)
    words = field(document, name, list, where, [])
    if not all(isinstance(word, str) for word in words):
        raise MalformedImage(f"{where}: field {name!r} is {words!r:.80} (expected an array of strings)")
    return tuple(words)


def _texts(document: dict[str, Any], name: str, where: str) -> dict[str, str]:
    texts = field(document, name, dict, where, {})
    if not all(isinstance(text, str) for text in texts.values()):
        raise MalformedImage(f"{where}: field {name!r} is {texts!r:.80} (expected an object of strings)")
    return dict(texts)


def _environment(config: dict[str, Any], where: str) -> Mapping[str, str]:
    pairs = (word.partition("=") for word in _words(config, "Env", where))
    return MappingProxyType({name: value for name, _, value in pairs})


def _history(document: dict[str, Any], where: str) -> list[HistoryEntry]:
    rows = field(document, "history", list, where, [])
    if not all(isinstance(row, dict) for row in rows):
        raise MalformedImage(f"{where}: field 'history' is {rows!r:.80} (expected an array of objects)")
    return [
        HistoryEntry(
            created=field(row, "created", str, where, "") or None,
            created_by=field(row, "created_by", str, where, ""),
            comment=field(row, "comment", str, where, ""),
            empty_layer=row.get("empty_layer") is True,
        )
        for row in rows
    ]
