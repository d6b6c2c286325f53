"""The transport minirootfs:, on Alpine's own root filesystems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.image.open import open_image, published_platforms
from pytest_alpine.platforms import BY_APK_ARCH, PLATFORMS
from tests.support.mirror import MIRROR, TARBALLS, tarball_id
from tests.support.small_mirror import serving_files

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_alpine.image.access import Access

pytestmark = pytest.mark.official

VERSIONS = {
    "latest": "3.20.3",
    "3": "3.20.3",
    "3.20": "3.20.3",
    "3.19": "3.19.4",
    "3.13.12": "3.13.12",
    "edge": "3.21.0_alpha20240923",
    "20240923": "3.21.0_alpha20240923",
}


@pytest.mark.parametrize("tag", VERSIONS)
def test_tags_of_the_mirror(access: Access, tag: str) -> None:
    assert open_image(f"minirootfs:{MIRROR}:{tag}", "s390x", access=access).release.version == VERSIONS[tag]


@pytest.mark.parametrize(("tag", "missing"), [("edge", ""), ("3.20", "loong64"), ("3.19", "loong64 riscv64")])
def test_platforms_of_the_mirror(access: Access, tag: str, missing: str) -> None:
    expected = {platform for platform in PLATFORMS if platform.slug not in missing.split()}
    assert set(published_platforms(f"minirootfs:{MIRROR}:{tag}", access=access)) == expected


@pytest.mark.parametrize("tarball", TARBALLS, ids=tarball_id)
def test_every_tarball_tells_its_platform(access: Access, tarball: Path) -> None:
    image = open_image(f"minirootfs:{tarball}", BY_APK_ARCH[tarball.parent.name], access=access)
    assert image.size.compressed == tarball.stat().st_size
    assert image.config.platform == image.platform
    assert len(image.packages) >= 14


def test_mirror_behind_http(access: Access) -> None:
    with serving_files(MIRROR) as server:
        image = open_image(f"minirootfs:{server.url}:3.20", "arm/v7", access=access)
        assert image.id == open_image(f"minirootfs:{MIRROR}:3.20", "arm/v7", access=access).id
        assert server.asked(".tar.gz") == 1
