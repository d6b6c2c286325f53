"""104 checks, each its own test: 13 on each of eight platforms, with pytest-alpine."""

from __future__ import annotations

import pytest

from pytest_alpine import Container, Image, assert_installed, assert_musl, assert_shell, assert_size

pytestmark = pytest.mark.alpine(tags="3.20", platforms="all")

VERSIONS = {
    "musl": "1.2.5-r0",
    "busybox": "1.36.1-r29",
    "apk-tools": "2.14.4-r0",
    "zlib": "1.3.1-r1",
    "scanelf": "1.3.7-r2",
}


@pytest.mark.parametrize("name", VERSIONS)
def test_installed(alpine_image: Image, name: str) -> None:
    assert_installed(alpine_image, f"{name}={VERSIONS[name]}")


@pytest.mark.parametrize("name", ["bash", "curl", "gcc"])
def test_absent(alpine_image: Image, name: str) -> None:
    assert_installed(alpine_image, f"!{name}")


def test_release(alpine_image: Image) -> None:
    assert alpine_image.release.version == "3.20.3"


def test_shell(alpine_image: Image) -> None:
    assert_shell(alpine_image, "ash")


def test_musl(alpine_image: Image) -> None:
    assert_musl(alpine_image)


def test_size(alpine_image: Image) -> None:
    assert_size(alpine_image, unpacked="9 MB")


def test_uname(alpine_container: Container) -> None:
    assert alpine_container.run(["uname", "-m"], check=True).stdout.strip()
