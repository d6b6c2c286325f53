from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_installed, assert_musl, assert_shell, assert_size, open_image, published_platforms
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from tests.support.mirror import MIRROR

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.official
@pytest.mark.parametrize(("tag", "platforms"), [("edge", 9), ("3.20", 8), ("3.19", 7), ("3.13", 7)])
def test_every_stock_image_passes(tag: str, platforms: int, tmp_path: Path) -> None:
    reference = f"minirootfs:{MIRROR}:{tag}"
    published = published_platforms(reference)
    assert len(published) == platforms
    for platform in published:
        stock = open_image(reference, platform, access=Access(Store(tmp_path)))
        assert_musl(stock)
        assert_shell(stock, "ash")
        assert_installed(stock, "musl>=1.2", "busybox", "apk-tools", "!bash", "cmd:sh")
        assert_size(stock, compressed="4.2 MB", rootfs="9 MB")
        assert stock.release.is_edge is (tag == "edge")
        assert str(stock.config.architecture) == platform.architecture
