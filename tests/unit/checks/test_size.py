from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_size, find_size, sizes_by_package
from pytest_alpine.errors import InvalidSize
from tests.support.alpine import built, package
from tests.support.images import HardLink, Node, whiteout

if TYPE_CHECKING:
    from pathlib import Path

BUSYBOX = b"x" * 1000
DATABASE = package("busybox", files={"bin/busybox": BUSYBOX})
BASE: dict[str, Node] = {
    "bin/busybox": BUSYBOX,
    "lib/apk/db/installed": DATABASE,
    "srv/data": b"d" * 5000,
    "srv/same": HardLink("srv/data"),
}


def test_size_tells_by_how_much_and_who(tmp_path: Path) -> None:
    image = built(tmp_path, BASE)
    assert image.size.rootfs == 6000 + len(DATABASE)
    assert_size(image, rootfs="10 kB", unpacked=7000, compressed="1 MB")
    with pytest.raises(AssertionError) as caught:
        assert_size(image, rootfs=6000)
    expected = f"found {(6000 + len(DATABASE)) / 1000:.2f} kB ({6000 + len(DATABASE)} bytes)"
    assert "rootfs: expected at most 6.00 kB (6000 bytes)" in str(caught.value)
    assert expected in str(caught.value)
    assert "largest: (no package) 5." in str(caught.value)


def test_sizes_by_package_count_a_hard_link_once(tmp_path: Path) -> None:
    assert sizes_by_package(built(tmp_path, BASE)) == {"(no package)": 5000 + len(DATABASE), "busybox": 1000}


def test_budgets_are_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidSize, match="'4 pounds'"):
        find_size(built(tmp_path, BASE), rootfs="4 pounds")
    with pytest.raises(TypeError, match="no budget is given"):
        find_size(built(tmp_path, BASE))


def test_wasted_bytes(tmp_path: Path) -> None:
    layers: list[dict[str, Node]] = [
        {"srv/gone": b"1" * 3000, "srv/replaced": b"2" * 2000, "srv/a": b"3" * 500, "srv/linked": b"4" * 700},
        {whiteout("srv/gone"): b"", "srv/replaced": b"5", whiteout("srv/a"): b"", "srv/name": HardLink("srv/linked")},
        {whiteout("srv/linked"): b""},
    ]
    image = built(tmp_path, *layers)
    assert_size(image, wasted=5500)
    (finding,) = find_size(image, wasted="5 kB")
    assert str(finding) == (
        "wasted: expected at most 5.00 kB (5000 bytes), found 5.50 kB (5500 bytes), 500 B or 10.0% over "
        "(largest: /srv/gone 3.00 kB in layer 0, /srv/replaced 2.00 kB in layer 0, /srv/a 500 B in layer 0)"
    )
    assert_size(built(tmp_path, BASE, name="one-layer"), wasted=0)
