"""Several tags on every platform that they publish: ``pytest examples/matrix -n auto``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_installed, assert_musl, assert_shell

if TYPE_CHECKING:
    from pytest_alpine import Cell, Container, Image

pytestmark = pytest.mark.alpine(tags=["3.20", "edge"], platforms="all")


def test_userland(alpine_image: Image) -> None:
    assert_installed(alpine_image, "busybox", "musl>=1.1")
    assert_musl(alpine_image)
    assert_shell(alpine_image, "ash")


def test_release(alpine_cell: Cell, alpine_image: Image) -> None:
    assert alpine_image.release.branch == alpine_cell.tag


def test_runs(alpine_container: Container) -> None:
    assert alpine_container.run(["uname", "-s"], check=True).stdout == "Linux\n"


def test_architecture(alpine_cell: Cell, alpine_container: Container) -> None:
    assert alpine_container.run("cat /etc/apk/arch", check=True).stdout.strip() == alpine_cell.platform.apk_arch
