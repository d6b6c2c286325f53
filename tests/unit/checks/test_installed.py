from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine import (
    Image,
    assert_installed,
    assert_musl,
    assert_shell,
    assert_size,
    find_installed,
    find_size,
    open_image,
    sizes_by_package,
)
from pytest_alpine.errors import DatabaseError, InvalidConstraint, InvalidSize
from pytest_alpine.image.store.store import Store
from tests.support.images import HardLink, Members, Node, Symlink, image, layer_tar, write_oci_layout
from tests.support.mirror import MIRROR

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = """\
P:musl
V:1.2.5-r0
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1

P:busybox
V:1.36.1-r29
p:cmd:sh=1.36.1-r29 /bin/sh
F:bin
R:busybox

"""

BASE: dict[str, Any] = {
    "bin/busybox": b"BusyBox v1.36.1 multi-call" + b"x" * 974,
    "bin/sh": Symlink("/bin/busybox"),
    "lib/apk/db/installed": DATABASE,
    "srv/data": b"d" * 5000,
    "srv/same": HardLink("srv/data"),
}


def built(tmp_path: Path, members: Members = BASE) -> Image:
    write_oci_layout(tmp_path / "layout", {"1": [image(layer_tar(members))]})
    return open_image(f"oci:{tmp_path}/layout:1", "amd64", store=Store(tmp_path / "store"))


def test_installed_tells_every_problem_at_once(tmp_path: Path) -> None:
    small = built(tmp_path)
    assert_installed(small, "musl", "musl>=1.2", "busybox~1.36", "so:libc.musl-x86_64.so.1", "!bash", "cmd:sh")
    with pytest.raises(AssertionError) as caught:
        assert_installed(small, "musl>=1.3", "bussybox", "!cmd:sh", "!musl", "musl")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"oci:{tmp_path}/layout:1 (linux/amd64, sha256:")
    assert lines[1:] == [
        "  musl>=1.3: expected installed, found musl 1.2.5-r0",
        "  bussybox: expected installed, found nothing (nearest: busybox)",
        "  !cmd:sh: expected absent, found busybox 1.36.1-r29 (which provides cmd:sh=1.36.1-r29)",
        "  !musl: expected absent, found musl 1.2.5-r0",
    ]


def test_findings_are_data(tmp_path: Path) -> None:
    (finding,) = find_installed(built(tmp_path), "curl>=8")
    assert (finding.check, finding.subject, finding.expected, finding.actual) == (
        "installed",
        "curl>=8",
        "installed",
        "nothing",
    )


def test_installed_wants_a_constraint(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="no constraint is given"):
        assert_installed(built(tmp_path))
    with pytest.raises(InvalidConstraint, match="curl >= 8"):
        assert_installed(built(tmp_path), "curl >= 8")


def test_installed_without_a_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="lib/apk/db/installed"):
        assert_installed(built(tmp_path, {"etc/passwd": ""}), "musl")


def test_shell_and_libc_failures_name_what_is_there(tmp_path: Path) -> None:
    members: dict[str, Node] = {"bin/bash": b"\x7fELF bash", "bin/sh": Symlink("bash")}
    small = built(tmp_path, members)
    with pytest.raises(AssertionError, match=r"/bin/sh: expected ash, found bash \(/bin/sh leads to /bin/bash\)"):
        assert_shell(small, "ash")
    with pytest.raises(
        AssertionError, match=r"libc: expected musl, with its loader /lib/ld-musl-x86_64\.so\.1, found no C"
    ):
        assert_musl(small)


def test_no_shell(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="/bin/sh: expected ash, found nothing there"):
        assert_shell(built(tmp_path, {"etc/passwd": ""}), "ash")


def test_size_tells_by_how_much_and_who(tmp_path: Path) -> None:
    small = built(tmp_path)
    assert small.size.rootfs == 6000 + len(DATABASE)
    assert_size(small, rootfs="10 kB", unpacked=7000, compressed="1 MB")
    with pytest.raises(AssertionError) as caught:
        assert_size(small, rootfs=6000)
    expected = f"found {(6000 + len(DATABASE)) / 1000:.2f} kB ({6000 + len(DATABASE)} bytes)"
    assert "rootfs: expected at most 6.00 kB (6000 bytes)" in str(caught.value)
    assert expected in str(caught.value)
    assert "largest: (no package) 5." in str(caught.value)


def test_sizes_by_package_count_a_hard_link_once(tmp_path: Path) -> None:
    assert sizes_by_package(built(tmp_path)) == {"(no package)": 5000 + len(DATABASE), "busybox": 1000}


def test_budgets_are_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidSize, match="'4 pounds'"):
        find_size(built(tmp_path), rootfs="4 pounds")
    with pytest.raises(TypeError, match="no budget is given"):
        find_size(built(tmp_path))


@pytest.mark.official
@pytest.mark.parametrize(("tag", "platforms"), [("edge", 9), ("3.20", 8), ("3.19", 7), ("3.13", 7)])
def test_every_stock_image_passes(tag: str, platforms: int, tmp_path: Path) -> None:
    from pytest_alpine import published_platforms

    reference = f"minirootfs:{MIRROR}:{tag}"
    published = published_platforms(reference)
    assert len(published) == platforms
    for platform in published:
        stock = open_image(reference, platform, store=Store(tmp_path))
        assert_musl(stock)
        assert_shell(stock, "ash")
        assert_installed(stock, "musl>=1.2", "busybox", "apk-tools", "!bash", "cmd:sh")
        assert_size(stock, compressed="4.2 MB", rootfs="9 MB")
        assert stock.release.is_edge is (tag == "edge")
        assert str(stock.config.architecture) == platform.architecture
