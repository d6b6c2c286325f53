from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.apk.database import read_arch, read_installed, read_repositories, read_world
from pytest_alpine.errors import DatabaseError
from tests.support.rootfs import rootfs_of
from tests.support.tars import Symlink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_alpine.rootfs.base import RootFS

DATABASE = "P:musl\nV:1.2.5-r0\n\n"


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"lib/apk/db/installed": DATABASE}, id="lib"),
        pytest.param({"usr/lib/apk/db/installed": DATABASE}, id="usr-lib"),
        pytest.param({"usr/lib/apk/db/installed": DATABASE, "lib": Symlink("usr/lib")}, id="merged"),
        pytest.param({"usr/lib/apk/db/installed": DATABASE, "lib": Symlink("/usr/lib")}, id="merged-by-absolute-link"),
        pytest.param({"usr/lib/apk/db/installed": "x", "lib/apk/db/installed": DATABASE}, id="both"),
        pytest.param({"usr/lib/apk/db/installed": DATABASE, "lib/apk/": ""}, id="unmerged-without-database"),
    ],
)
def test_where_the_database_is(members: dict[str, str | Symlink], tmp_path: Path) -> None:
    members.pop("lib/apk/", None)
    assert list(read_installed(rootfs_of(tmp_path, members))) == ["musl"]


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError) as caught:
        read_installed(rootfs_of(tmp_path, {"etc/debian_version": "12\n"}))
    assert str(caught.value) == (
        "no apk database: neither /lib/apk/db/installed nor /usr/lib/apk/db/installed is there (is this Alpine?)"
    )


def test_a_malformed_database_is_told_with_its_path(tmp_path: Path) -> None:
    rootfs = rootfs_of(tmp_path, {"usr/lib/apk/db/installed": "P:x\nV:1\n\nwhat\n"})
    with pytest.raises(DatabaseError, match=r"^/usr/lib/apk/db/installed:4: malformed field: 'what'"):
        read_installed(rootfs)


@pytest.mark.parametrize(
    ("text", "world"),
    [
        ("", []),
        ("musl\n", ["musl"]),
        ("musl\nbusybox>=1.36\n!bash\n", ["musl", "busybox>=1.36", "!bash"]),
        (
            "musl busybox\t.build-deps=20260616.002526\n\n  curl@edge",
            ["musl", "busybox", ".build-deps=20260616.002526", "curl@edge"],
        ),
        ("musl\r\nbusybox\r\n", ["musl", "busybox"]),
        ("x=1.y\n", ["x=1.y"]),
    ],
    ids=["empty", "one", "constraints", "any-white-space", "dos-line-ends", "odd-version"],
)
def test_world(text: str, world: list[str], tmp_path: Path) -> None:
    assert [str(found) for found in read_world(rootfs_of(tmp_path, {"etc/apk/world": text}))] == world


def test_malformed_world(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError) as caught:
        read_world(rootfs_of(tmp_path, {"etc/apk/world": "musl\nbusybox >= 1\n"}))
    assert str(caught.value) == (
        "/etc/apk/world:2: invalid constraint: '>=' "
        "(expected a package name first, such as 'musl', 'curl>=8.5' or '!bash')"
    )


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (read_world, "/etc/apk/world is not there (expected the packages asked for, one to a line)"),
        (read_arch, "/etc/apk/arch is not there (expected an architecture, such as 'x86_64')"),
    ],
    ids=["world", "arch"],
)
def test_missing_files(read: Callable[[RootFS], object], message: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError) as caught:
        read(rootfs_of(tmp_path, {"etc/x": ""}))
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["x86_64\n", "x86_64", "\n x86_64 \nnoarch\n"], ids=["line", "no-line-end", "several"])
def test_arch(text: str, tmp_path: Path) -> None:
    assert read_arch(rootfs_of(tmp_path, {"etc/apk/arch": text})) == "x86_64"


def test_empty_arch(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"^/etc/apk/arch is empty \(expected"):
        read_arch(rootfs_of(tmp_path, {"etc/apk/arch": "\n"}))


def test_repositories_of_all_files(tmp_path: Path) -> None:
    rootfs = rootfs_of(
        tmp_path,
        {
            "etc/apk/arch": "x86_64\n",
            "etc/apk/repositories": "https://a.example/alpine/edge/main\n",
            "etc/apk/repositories.d/20-second.list": "${mirror}/v3.20/main\n",
            "etc/apk/repositories.d/10-first.list": "set mirror=https://b.example/alpine\n",
            "etc/apk/repositories.d/ignored.conf": "what is this\n",
            "etc/apk/repositories.d/deeper/no.list": "what is this\n",
            "lib/apk/repositories.d/20-second.list": "https://hidden.example/\n",
            "lib/apk/repositories.d/distribution.list": (
                "set -default mirror=https://c.example\nv3 ${mirror}/${APK_ARCH} main community\n"
            ),
        },
    )
    assert [str(found) for found in read_repositories(rootfs)] == [
        "https://a.example/alpine/edge/main",
        "https://b.example/alpine/v3.20/main",
        "v3 https://b.example/alpine/x86_64/main",
        "v3 https://b.example/alpine/x86_64/community",
    ]


def test_lists_behind_links(tmp_path: Path) -> None:
    rootfs = rootfs_of(
        tmp_path,
        {
            "lib": Symlink("usr/lib"),
            "usr/lib/apk/repositories.d/a.list": Symlink("/usr/share/a"),
            "usr/share/a": "/packages\n",
        },
    )
    assert [found.url for found in read_repositories(rootfs)] == ["/packages"]


def test_no_repositories(tmp_path: Path) -> None:
    assert read_repositories(rootfs_of(tmp_path, {"etc/x": ""})) == ()


def test_an_architecture_that_is_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"^/etc/apk/arch is not there"):
        read_repositories(rootfs_of(tmp_path, {"etc/apk/repositories": "/packages/${APK_ARCH}\n"}))
