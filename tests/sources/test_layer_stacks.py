"""What Docker and Podman make of layers with odd names: the same as the table says that this package does."""

from __future__ import annotations

import hashlib
import io
import tarfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, cast

import pytest
from docker.errors import DockerException

from pytest_alpine.dockerapi.client import connect
from pytest_alpine.dockerapi.podman import connect_podman
from tests.support.images import image, write_legacy_docker_archive
from tests.support.layer_stacks import REFUSED, STACKS, tars_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from docker import DockerClient

    from tests.support.layer_stacks import Tree
    from tests.testbed import Testbed

# What engines put into every container.
OWN = {"", "dev", "proc", "sys", "etc", "run", ".dockerenv"}
THREADS = 4  # engines spend most of the time of a request waiting
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


def name_of(tars: Sequence[bytes]) -> str:
    """Return a name for an image of the layers *tars*."""
    digest = hashlib.sha256(b"".join(tars)).hexdigest()
    return f"pytest-alpine-test/{digest[:12]}-{uuid.uuid4().hex}:1.0"


def exported(client: DockerClient, name: str) -> Tree:
    """Return the root filesystem of the image *name*."""
    container = client.containers.create(name, ["/nothing"])
    try:
        return tree_of(b"".join(cast("Iterator[bytes]", container.export())))
    finally:
        container.remove(force=True)


def refuses(client: DockerClient, folder: Path, tars: Sequence[bytes]) -> bool:
    """Whether the engine refuses to load an image of the layers *tars*."""
    name = name_of(tars)
    archive = folder / f"{uuid.uuid4().hex}.tar"
    write_legacy_docker_archive(archive, {name: image(*tars)})
    try:
        with archive.open("rb") as stream:
            client.images.load(stream)
    except DockerException as error:
        return "processing tar file" in str(error).lower()
    client.images.remove(name, force=True)
    return False


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


def test_engines_agree_with_the_table(client: DockerClient, tmp_path: Path) -> None:
    stacks = {name_of(stack.tars): stack for stack in STACKS if not stack.refused}
    write_legacy_docker_archive(tmp_path / "images.tar", {name: image(*stack.tars) for name, stack in stacks.items()})
    with (tmp_path / "images.tar").open("rb") as archive:
        # The SDK's `images.load` takes Podman's list of names for one name.
        list(client.api.load_image(archive))  # type: ignore[no-untyped-call]
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            trees = dict(zip(stacks, pool.map(partial(exported, client), stacks), strict=True))
    finally:
        for name in stacks:
            client.images.remove(name, force=True)
    assert {str(stacks[name]): tree for name, tree in trees.items()} == {
        str(stack): stack.tree for stack in stacks.values()
    }


def test_engines_refuse_what_the_table_says(client: DockerClient, tmp_path: Path) -> None:
    layers = {stack.name: stack.tars for stack in STACKS if stack.refused}
    layers |= {name: tars_of(refused) for name, refused, _ in REFUSED}
    with ThreadPoolExecutor(THREADS) as pool:
        refused = pool.map(partial(refuses, client, tmp_path), layers.values())
    assert [name for name, answer in zip(layers, refused, strict=True) if not answer] == []
