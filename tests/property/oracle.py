"""Real apk as the judge: scripts run in a container of the official edge root filesystem."""

from __future__ import annotations

import io
import os
import tarfile
import uuid
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

from pytest_alpine.platforms import Platform
from tests.support.mirror import TARBALLS, tarball_id

if TYPE_CHECKING:
    from pathlib import Path

    from docker import DockerClient

SHELLS: Final = 4
"""How many scripts run side by side: starting apk thousands of times is what takes the time."""


def run_in_alpine(scripts: list[str]) -> list[str]:
    """Return what each of *scripts*, for Alpine's shell, prints in a container of its own; at most a few at once."""
    client = _client()
    name = f"pytest-alpine-oracle:{uuid.uuid4().hex}"
    client.api.import_image_from_file(str(tarball()), repository=name.partition(":")[0], tag=name.partition(":")[2])
    try:
        return _run(client, name, scripts)
    finally:
        client.images.remove(name, force=True)
        client.close()


def tarball() -> Path:
    """Return edge's root filesystem for this machine."""
    wanted = f"edge-{Platform.native().apk_arch}"
    found = [path for path in TARBALLS if tarball_id(path) == wanted]
    if not found:
        _lacking("official", "needs the official root filesystem of edge, of the mirror beside the repository")
    return found[0]


def _run(client: DockerClient, image: str, scripts: list[str]) -> list[str]:
    containers = []
    try:
        for script in scripts:
            container = client.containers.create(image, ["sh", "/script"], network_mode="none")
            containers.append(container)
            container.put_archive("/", _archive(script))
            container.start()
        for container in containers:
            assert container.wait(timeout=280)["StatusCode"] == 0, container.logs().decode()
        return [container.logs(stderr=False).decode() for container in containers]
    finally:
        for container in containers:
            container.remove(force=True)


def _archive(script: str) -> bytes:
    data, stream = script.encode(), io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        member = tarfile.TarInfo("script")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def _client() -> DockerClient:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=300)
        client.ping()
    except DockerException as error:
        _lacking("docker", f"needs a Docker engine: {error}")
    return client


def _lacking(what: str, why: str) -> NoReturn:
    if what in os.environ.get("PYTEST_ALPINE_REQUIRE", "").split(","):
        pytest.fail(why)
    pytest.skip(why)
