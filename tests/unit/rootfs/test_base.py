from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import FileNotInImage
from pytest_alpine.rootfs.base import Entry, absolute, open_file
from pytest_alpine.rootfs.lookup import follow
from tests.support.rootfs import rootfs_of
from tests.support.tars import Device, Directory, Fifo, File, HardLink, Symlink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_alpine.rootfs.layers import LayeredRootFS
    from tests.support.tars import Node


@pytest.fixture
def rootfs(tmp_path: Path) -> LayeredRootFS:
    members: dict[str, Node] = {
        "etc/passwd": "root:x:0:0\n",
        "bin/busybox": File(b"\x7fELF...", mode=0o755),
        "bin/sh": Symlink("/bin/busybox"),
        "bin/self": Symlink("."),
        "usr/bin": Symlink("../bin"),
        "usr/root": Symlink("/"),
        "out": Symlink("../../../../etc"),
        "absolute-out": Symlink("/../../etc/passwd"),
        "loop/a": Symlink("b"),
        "loop/b": Symlink("a"),
        "nowhere": Symlink("/missing/x"),
        "empty": Symlink(""),
        "dev/null": Device(),
        "run/pipe": Fifo(),
        "home/": Directory(mode=0o1777, uid=7, gid=8),
        "etc/other": HardLink("etc/passwd"),
    }
    return rootfs_of(tmp_path, members)


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/etc/passwd", "/etc/passwd"),
        ("etc//./passwd", "/etc/passwd"),
        ("/", "/"),
        ("", "/"),
        (".", "/"),
        ("..", "/"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/bin/sh", "/bin/busybox"),
        ("/bin/self/self/sh", "/bin/busybox"),
        ("/bin/self", "/bin"),
        ("/usr/bin", "/bin"),
        ("/usr/bin/sh", "/bin/busybox"),
        ("/usr/bin/../etc", "/etc"),  # from where the link leads, as the kernel goes
        ("/usr/root/etc/passwd", "/etc/passwd"),
        ("/usr/root", "/"),
        ("/out/passwd", "/etc/passwd"),
        ("/absolute-out", "/etc/passwd"),
        ("/dev/null", "/dev/null"),
    ],
)
def test_paths_are_walked_as_in_a_chroot(rootfs: LayeredRootFS, path: str, real: str) -> None:
    assert rootfs.exists(path)
    assert rootfs.resolve(path) == real
    assert rootfs.stat(path).path == real


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/missing", "no such file or directory: /missing"),
        ("etc/passwd/x", "no such file or directory: /etc/passwd/x"),
        ("/etc/passwd/..", "no such file or directory: /etc/passwd/.."),
        ("/missing/../etc", "no such file or directory: /missing/../etc"),
        ("/nowhere", "no such file or directory: /nowhere"),
        ("/loop/a", "/loop/a: too many levels of symbolic links"),
        ("/loop/a/x", "/loop/a/x: too many levels of symbolic links"),
    ],
)
def test_paths_that_lead_nowhere(rootfs: LayeredRootFS, path: str, message: str) -> None:
    assert not rootfs.exists(path)
    for method in (rootfs.stat, rootfs.resolve, rootfs.read, lambda path: list(rootfs.walk(path))):
        with pytest.raises(FileNotInImage) as caught:
            method(path)
        assert str(caught.value) == message


def test_lstat_follows_all_links_but_the_last(rootfs: LayeredRootFS) -> None:
    link = rootfs.lstat("/usr/bin/sh")
    assert link is not None
    assert (link.path, link.kind, link.target) == ("/bin/sh", "symlink", "/bin/busybox")
    assert rootfs.lstat("/missing") is None
    assert rootfs.lstat("/loop/a/x") is None
    loop = rootfs.lstat("/loop/a")
    assert loop is not None
    assert loop.kind == "symlink"


def test_read_gives_the_bytes_behind_the_links(rootfs: LayeredRootFS) -> None:
    assert rootfs.read("/usr/bin/sh") == b"\x7fELF..."
    assert rootfs.read("/usr/bin/sh", 4) == b"\x7fELF"
    assert rootfs.read("/usr/bin/sh", 400) == b"\x7fELF..."
    assert rootfs.read("/etc/other") == rootfs.read("/etc/passwd") == b"root:x:0:0\n"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/etc", "/etc is a directory, not a regular file"),
        ("dev/null", "/dev/null is a character device, not a regular file"),
        ("/run/pipe", "/run/pipe is a fifo, not a regular file"),
    ],
)
def test_only_regular_files_are_read(rootfs: LayeredRootFS, path: str, message: str) -> None:
    for read in (rootfs.read, rootfs.open):
        with pytest.raises(FileNotInImage) as caught:
            read(path)
        assert str(caught.value) == message


def test_walk_goes_by_path_from_where_the_top_leads(rootfs: LayeredRootFS) -> None:
    assert [entry.path for entry in rootfs.walk("/usr/bin")] == ["/bin", "/bin/busybox", "/bin/self", "/bin/sh"]
    assert [entry.path for entry in rootfs.walk("/etc/passwd")] == ["/etc/passwd"]
    everything = [entry.path for entry in rootfs.walk()]
    assert everything[0] == "/"
    assert everything == sorted(everything)
    assert len(everything) == len(set(everything)) == 23


def test_walk_does_not_take_a_longer_name_for_a_child(tmp_path: Path) -> None:
    names = ["a/x", "a-b", "a.d/y", "a0", "aa"]
    assert [entry.path for entry in rootfs_of(tmp_path, dict.fromkeys(names, b"")).walk("/a")] == ["/a", "/a/x"]


def test_entries_tell_what_they_are(rootfs: LayeredRootFS) -> None:
    home, busybox = rootfs.stat("/home"), rootfs.stat("/bin/busybox")
    assert (home.kind, home.mode, home.uid, home.gid, home.size) == ("directory", 0o1777, 7, 8, 0)
    assert (busybox.is_file, busybox.executable, busybox.size, busybox.mode) == (True, True, 7, 0o755)
    assert not rootfs.stat("/etc/passwd").executable
    assert not home.is_file
    assert rootfs.stat("/etc/other").offset == rootfs.stat("/etc/passwd").offset


def test_a_link_with_no_text_leads_to_its_own_folder(rootfs: LayeredRootFS) -> None:
    # Linux makes no such link; a tar can hold one.
    assert rootfs.resolve("/empty") == "/"


@pytest.mark.parametrize(
    ("path", "form"),
    [("", "/"), ("/", "/"), ("a", "/a"), ("./a//b/", "/a/b"), ("/a/./b", "/a/b"), ("a/../b", "/a/../b")],
)
def test_absolute(path: str, form: str) -> None:
    assert absolute(path) == form


def test_forty_links_are_followed_and_not_one_more() -> None:
    tree = {"/": Entry(path="/", kind="directory", mode=0o755), "/0": Entry(path="/0", kind="file", mode=0o644)}
    for number in range(1, 42):
        path = f"/{number}"
        tree[path] = Entry(path=path, kind="symlink", mode=0o777, target=str(number - 1))
    found = follow(tree.get, "/40")
    assert found is not None
    assert found.path == "/0"
    with pytest.raises(FileNotInImage, match="/41: too many levels"):
        follow(tree.get, "/41")


def test_open_seeks_inside_the_file_only(tmp_path: Path) -> None:
    rootfs = rootfs_of(tmp_path, {"before": b"x" * 3000, "file": b"0123456789", "after": b"y" * 3000})
    with open_file(rootfs, "/file") as stream:
        assert stream.read() == b"0123456789"
        assert stream.read() == b""
        assert stream.seek(0, 2) == 10
        assert stream.seek(-3, 2) == 7
        assert stream.read(2) == b"78"
        assert stream.seek(-1, 1) == 8
        assert stream.read(100) == b"89"
        assert stream.seek(50) == 50
        assert stream.read(1) == b""


def test_open_file_reads_whole_what_cannot_seek(rootfs: LayeredRootFS) -> None:
    class Container:
        """A root filesystem that can only read, as that of a running container."""

        def read(self, path: str, limit: int | None = None) -> bytes:
            return rootfs.read(path, limit)

        def exists(self, path: str) -> bool:
            return rootfs.exists(path)

        def stat(self, path: str) -> Entry:
            return rootfs.stat(path)

        def lstat(self, path: str) -> Entry | None:
            return rootfs.lstat(path)

        def walk(self, top: str = "/") -> Iterator[Entry]:
            return rootfs.walk(top)

        def resolve(self, path: str) -> str:
            return rootfs.resolve(path)

    with open_file(Container(), "/etc/passwd") as stream:
        stream.seek(5)
        assert stream.read() == b"x:0:0\n"
