"""A size budget per platform; a failure says which packages are the largest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_size, sizes_by_package

if TYPE_CHECKING:
    from pytest_alpine import Cell, Image

BUDGETS = {"linux/arm/v7": "3.3 MB", "linux/arm64": "4.2 MB"}


@pytest.mark.alpine(tags="3.20", platforms="all")
def test_compressed_size(alpine_cell: Cell, alpine_image: Image) -> None:
    assert_size(alpine_image, compressed=BUDGETS.get(str(alpine_cell.platform), "3.8 MB"))


@pytest.mark.alpine(tags="3.20", platforms="all")
def test_every_byte_has_a_package(alpine_image: Image) -> None:
    sizes = sizes_by_package(alpine_image)
    assert sum(sizes.values()) == alpine_image.size.rootfs
    assert sizes["(no package)"] < 0.2 * alpine_image.size.rootfs
