from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from pytest_alpine.errors import FileNotInImage
from pytest_alpine.facts.release import Release, parse_os_release, read_release
from tests.support.rootfs import rootfs_of
from tests.support.tars import Directory, Symlink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.tars import Node


def os_release(**fields: str) -> str:
    return "".join(f'{name}="{value}"\n' for name, value in fields.items())


STABLE = os_release(NAME="Alpine Linux", ID="alpine", VERSION_ID="3.20.3", PRETTY_NAME="Alpine Linux v3.20")
EDGE = os_release(NAME="Alpine Linux", ID="alpine", VERSION_ID="3.21.0_alpha20240923", PRETTY_NAME="Alpine Linux edge")
MAIN = "https://dl-cdn.example/alpine/v3.20/main\n"
EDGE_MAIN = "https://dl-cdn.example/alpine/edge/main\n"
EDGE_TESTING = "https://dl-cdn.example/alpine/edge/testing\n"


def test_a_stable_release(tmp_path: Path) -> None:
    rootfs = rootfs_of(tmp_path, {"etc/os-release": STABLE, "etc/alpine-release": "3.20.3\n"})
    assert read_release(rootfs) == Release(
        id="alpine",
        name="Alpine Linux",
        version_id="3.20.3",
        pretty_name="Alpine Linux v3.20",
        version="3.20.3",
        branch="3.20",
        is_edge=False,
    )


def test_edge_through_a_link(tmp_path: Path) -> None:
    files: dict[str, Node] = {
        "etc/os-release": Symlink("../usr/lib/os-release"),
        "usr/lib/os-release": EDGE,
        "etc/alpine-release": "3.21.0_alpha20240923\n",
    }
    release = read_release(rootfs_of(tmp_path, files))
    assert (release.branch, release.is_edge, release.version) == ("edge", True, "3.21.0_alpha20240923")


def debian(**more: str) -> str:
    return os_release(NAME="Debian GNU/Linux", ID="debian", VERSION_ID="12", PRETTY_NAME="Debian 12", **more)


RELATIVES = [
    ("fallback-place", {"usr/lib/os-release": STABLE}, ("alpine", None, "3.20", False)),
    ("etc-comes-first", {"etc/os-release": STABLE, "usr/lib/os-release": EDGE}, ("alpine", None, "3.20", False)),
    ("candidate", {"etc/os-release": os_release(ID="alpine", VERSION_ID="3.17.0_rc1")},
     ("alpine", None, "3.17", False)),
    ("no-pretty-name", {"etc/os-release": "ID=alpine\nVERSION_ID=3.19.4\n"}, ("alpine", None, "3.19", False)),
    ("no-version-at-all", {"etc/os-release": "ID=alpine\n"}, ("alpine", None, None, False)),
    ("renamed", {"etc/os-release": os_release(ID="alpine", PRETTY_NAME="Acme OS"), "etc/alpine-release": "3.20.3"},
     ("alpine", "3.20.3", "3.20", False)),
    ("wolfi", {"etc/os-release": os_release(ID="wolfi", NAME="Wolfi", PRETTY_NAME="Wolfi", VERSION_ID="20230201")},
     ("wolfi", None, None, False)),
    ("postmarketos", {"etc/os-release": os_release(ID="postmarketos", PRETTY_NAME="postmarketOS v24.06"),
                      "etc/alpine-release": "3.20.3\n"}, ("postmarketos", "3.20.3", "3.20", False)),
    ("postmarketos-edge", {"etc/os-release": os_release(ID="postmarketos", PRETTY_NAME="postmarketOS edge"),
                           "etc/alpine-release": "3.21.0_alpha20240923\n"},
     ("postmarketos", "3.21.0_alpha20240923", "edge", True)),
    ("debian", {"etc/os-release": debian()}, ("debian", None, None, False)),
    ("renamed-edge", {"etc/os-release": os_release(ID="acme"), "etc/alpine-release": "3.24.0_alpha20251224"},
     ("acme", "3.24.0_alpha20251224", "edge", True)),
    ("no-edge", {"etc/os-release": os_release(ID="x", PRETTY_NAME="Knowledge")}, ("x", None, None, False)),
    ("empty", {"etc/os-release": ""}, ("linux", None, None, False)),
]  # fmt: skip


@pytest.mark.parametrize(("files", "expected"), [row[1:] for row in RELATIVES], ids=[row[0] for row in RELATIVES])
def test_relatives(
    tmp_path: Path, files: Mapping[str, Node], expected: tuple[str, str | None, str | None, bool]
) -> None:
    release = read_release(rootfs_of(tmp_path, files))
    assert (release.id, release.version, release.branch, release.is_edge) == expected


@pytest.mark.parametrize(
    ("repositories", "is_edge"),
    [
        (MAIN, False),
        (EDGE_MAIN, True),
        (EDGE_MAIN + EDGE_TESTING, True),
        (MAIN + EDGE_TESTING, False),
        (MAIN + "@edge " + EDGE_TESTING, False),
        (EDGE_MAIN + "@stable " + MAIN, True),
        ("# " + EDGE_MAIN, False),
        ("/media/knowledge/main\n", False),
        ("", False),
    ],
    ids=["stable", "edge", "edge-only", "mixed", "tagged", "edge-and-tagged", "comment", "word", "empty"],
)
def test_repositories_make_edge_when_all_are(tmp_path: Path, repositories: str, is_edge: bool) -> None:
    release = read_release(rootfs_of(tmp_path, {"etc/os-release": STABLE, "etc/apk/repositories": repositories}))
    assert release.is_edge is is_edge
    assert release.branch == ("edge" if is_edge else "3.20")


@pytest.mark.parametrize(
    "files",
    [{}, {"etc/alpine-release": "3.20.3\n"}, {"etc/os-release/": Directory()}, {"etc/os-release": Symlink("/missing")}],
    ids=["nothing", "alpine-release-only", "a-folder", "dangling"],
)
def test_no_release_file(tmp_path: Path, files: Mapping[str, Node]) -> None:
    with pytest.raises(FileNotInImage) as caught:
        read_release(rootfs_of(tmp_path, files))
    expected = "no release file: neither /etc/os-release nor /usr/lib/os-release is a file of the image"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=alpine", "alpine"),
        ('A="Alpine Linux"', "Alpine Linux"),
        ("A='Alpine Linux'", "Alpine Linux"),
        ("  A=x  ", "x"),
        ("A=", ""),
        ('A=""', ""),
        ('A="', '"'),
        (r'A="\"a\" \$b \\ \`c\`"', '"a" $b \\ `c`'),
        (r'A="\n"', r"\n"),
        (r"A='\n \" $'", r"\n \" $"),
        (r"A=a\ b", "a b"),
        ("A=b=c", "b=c"),
        ('A="#1"', "#1"),
    ],
    ids=str,
)
def test_quoting(line: str, value: str) -> None:
    assert parse_os_release(f"# comment\n\n{line}\n") == {"A": value}


@pytest.mark.parametrize("line", ["", "# A=1", "A", "=1", "1A=1", "A B=1", "export A=1", "\0\xff"])
def test_lines_that_assign_nothing(line: str) -> None:
    assert parse_os_release(line) == {}


def test_the_last_assignment_counts() -> None:
    assert parse_os_release("A=1\nB=2\nA=3") == {"A": "3", "B": "2"}


@given(content=st.binary(max_size=200))
def test_any_bytes_are_some_release(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    files: dict[str, Node] = {"etc/os-release": content, "etc/alpine-release": content, "etc/apk/repositories": content}
    release = read_release(rootfs_of(tmp_path_factory.getbasetemp(), files))
    assert release.version is not None
