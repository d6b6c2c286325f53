"""What Docker and Podman make of layers with odd names: the same as the table says that this package does."""

from __future__ import annotations

import io
import tarfile
import uuid
from contextlib import closing, suppress
from typing import TYPE_CHECKING, cast

import pytest
from docker.errors import APIError, DockerException

from pytest_alpine.dockerapi.client import connect
from pytest_alpine.dockerapi.podman import connect_podman
from tests.support.images import image, write_legacy_docker_archive
from tests.support.layer_stacks import REFUSED, STACKS, Stack, tars_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from docker import DockerClient

    from tests.support.layer_stacks import Layer, Tree
    from tests.testbed import Testbed

# What engines put into every container.
OWN = {"", "dev", "proc", "sys", "etc", "run", ".dockerenv"}
KINDS = {
    tarfile.DIRTYPE: "<directory>",
    tarfile.CHRTYPE: "<character device>",
    tarfile.BLKTYPE: "<block device>",
    tarfile.FIFOTYPE: "<fifo>",
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("podman", marks=pytest.mark.podman),
    ],
)
def client(request: pytest.FixtureRequest, bed: Testbed) -> Iterator[DockerClient]:
    """The engine."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "podman":
            patch.setenv("CONTAINER_HOST", bed.podman["podman"])
        with closing(connect() if request.param == "docker" else connect_podman()) as opened:
            yield opened


def exported(client: DockerClient, folder: Path, tars: Sequence[bytes]) -> Tree:
    """Return the root filesystem that the engine makes of the layers *tars*."""
    name = f"pytest-alpine-test/{uuid.uuid4().hex}:1.0"
    archive = folder / "image.tar"
    write_legacy_docker_archive(archive, {name: image(*tars)})
    try:
        with archive.open("rb") as stream:
            client.images.load(stream)
        container = client.containers.create(name, ["/nothing"])
        try:
            return tree_of(b"".join(cast("Iterator[bytes]", container.export())))
        finally:
            container.remove(force=True)
    finally:
        with suppress(APIError):  # it was not loaded
            client.images.remove(name, force=True)


def tree_of(tar: bytes) -> Tree:
    """Return what the tar of a whole container holds, without what engines put into every one."""
    tree: Tree = {}
    with tarfile.open(fileobj=io.BytesIO(tar), encoding="utf-8", errors="surrogateescape") as members:
        for member in members:
            if member.name.split("/")[0] in OWN:
                continue
            content = members.extractfile(member) if member.isreg() else None
            if content is not None:
                text = content.read().decode()
            elif member.islnk():
                text = tree[f"/{member.linkname}"]
            else:
                text = f"-> {member.linkname}" if member.issym() else KINDS[member.type]
            tree[f"/{member.name}"] = text
    return tree


@pytest.mark.parametrize("stack", STACKS, ids=str)
def test_engines_agree_with_the_table(client: DockerClient, tmp_path: Path, stack: Stack) -> None:
    if stack.refused:
        with pytest.raises(DockerException, match=r"(?i)processing tar file"):
            exported(client, tmp_path, stack.tars)
    else:
        assert exported(client, tmp_path, stack.tars) == stack.tree


@pytest.mark.parametrize("layers", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_engines_refuse_what_is_refused(client: DockerClient, tmp_path: Path, layers: list[Layer]) -> None:
    with pytest.raises(DockerException, match=r"(?i)processing tar file"):
        exported(client, tmp_path, tars_of(layers))
