"""The first test of an image: one file, no conftest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine import assert_installed, assert_musl, assert_shell, assert_size

if TYPE_CHECKING:
    from pytest_alpine import Container, Image


def test_base(alpine_image: Image) -> None:
    assert_installed(alpine_image, "musl>=1.2", "busybox", "!bash")
    assert_musl(alpine_image)
    assert_shell(alpine_image, "ash")
    assert_size(alpine_image, compressed="4.2 MB")


def test_smoke(alpine_container: Container) -> None:
    assert alpine_container.run("echo $((6 * 7))", check=True).stdout == "42\n"
    assert alpine_container.host.file("/etc/alpine-release").exists
