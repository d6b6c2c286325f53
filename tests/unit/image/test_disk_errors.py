"""A disk that fails while an image is read from it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import ImageError
from pytest_alpine.image.access import Access
from pytest_alpine.image.open import open_image
from pytest_alpine.image.store.store import Store
from pytest_alpine.rootfs.file_part import FilePart
from tests.support.images import image, layer_tar, write_docker_archive, write_oci_archive, write_oci_layout
from tests.support.small_mirror import write_mirror

if TYPE_CHECKING:
    from pathlib import Path

SMALL = image(layer_tar({"etc/alpine-release": "3.20.3\n"}))
TARBALL = "v3.20/releases/x86_64/alpine-minirootfs-3.20.3-x86_64.tar.gz"


@pytest.fixture
def failing_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("os.preadv", fail)


def write(folder: Path) -> None:
    write_docker_archive(folder / "docker.tar", {"app:1": SMALL})
    write_oci_archive(folder / "oci.tar", {"1": [SMALL]})
    write_oci_layout(folder / "layout", {"1": [SMALL]})
    write_mirror(folder / "mirror", {"v3.20": "3.20.3"}, "x86_64")


@pytest.mark.parametrize(
    ("reference", "where"),
    [
        ("docker-archive:docker.tar", "docker-archive:docker.tar"),
        ("oci-archive:oci.tar:1", "oci-archive:oci.tar"),
        ("oci:layout:1", "oci:layout, index.json"),
        ("minirootfs:mirror:3.20", f"mirror/{TARBALL}"),
        (f"minirootfs:mirror/{TARBALL}", f"mirror/{TARBALL}"),
    ],
    ids=["docker-archive", "oci-archive", "oci", "mirror", "tarball"],
)
@pytest.mark.usefixtures("failing_disk")
def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, where: str) -> None:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError) as caught:
        open_image(reference, "amd64", access=Access(Store(tmp_path / "store"))).stored_layers  # noqa: B018
    assert str(caught.value) == f"cannot read {where}: Input/output error"


@pytest.mark.parametrize(("where", "error"), [("the file", ImageError), ("", OSError)])
def test_a_part_of_a_file_that_cannot_be_read(where: str, error: type[Exception]) -> None:
    descriptor = os.open("/proc/self/mem", os.O_RDONLY)  # nothing is at address 0
    with FilePart(descriptor, 0, 10, close=True, where=where) as part, pytest.raises(error, match="Input/output error"):
        part.read()
