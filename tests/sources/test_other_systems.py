"""Root filesystems that are not Alpine: Debian's glibc and dash, and a static BusyBox with no C library at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import Image, assert_installed, assert_musl, assert_shell, open_image
from pytest_alpine.errors import DatabaseError
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from tests.testbed import BedError, Testbed, busybox_rootfs, debian_rootfs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Access:
    return Access(Store(tmp_path_factory.mktemp("store")))


def made(make: Callable[[Testbed], Path], bed: Testbed, access: Access) -> Image:
    try:
        return open_image(f"minirootfs:{make(bed)}", "amd64", access=access)
    except BedError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def debian(bed: Testbed, access: Access) -> Image:
    return made(debian_rootfs, bed, access)


@pytest.fixture(scope="module")
def busybox(bed: Testbed, access: Access) -> Image:
    return made(busybox_rootfs, bed, access)


def test_glibc_is_named(debian: Image) -> None:
    assert debian.libc.kind == "glibc"
    with pytest.raises(AssertionError) as caught:
        assert_musl(debian)
    assert "ld-linux-x86-64.so.2" in str(caught.value)
    assert "glibc 2." in str(caught.value)


def test_dash_is_not_ash(debian: Image) -> None:
    with pytest.raises(AssertionError, match=r"/bin/sh: expected ash, found dash \(/bin/sh leads to /usr/bin/dash\)"):
        assert_shell(debian, "ash")
    assert_shell(debian, "dash")


def test_debian_has_no_apk_database(debian: Image) -> None:
    with pytest.raises(DatabaseError, match="lib/apk/db/installed"):
        assert_installed(debian, "musl")


def test_busybox_alone_has_no_libc(busybox: Image) -> None:
    assert busybox.libc.kind == "none"
    with pytest.raises(AssertionError, match=r"libc: expected musl, with its loader /lib/ld-musl-x86_64\.so\.1"):
        assert_musl(busybox)
    assert_shell(busybox, "ash")
