from __future__ import annotations

import io
import os
import tarfile
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from pytest_alpine.errors import AlpineError, FileNotInImage, ImageError, MalformedImage
from pytest_alpine.rootfs.base import Entry
from pytest_alpine.rootfs.layers import Changeset, HardLink as LinkItem, flatten, read_changeset, rootfs_size
from tests.support.rootfs import rootfs_of
from tests.support.tars import OPAQUE, Device, Directory, Fifo, File, HardLink, Node, Symlink, layer_tar, whiteout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Layers = list["Mapping[str, Node]"]


def contents(folder: Path, *layers: Mapping[str, Node] | bytes) -> dict[str, str]:
    """Return what each path of the flattened *layers* is: text of files, targets of links, kinds of the rest."""
    rootfs = rootfs_of(folder, *layers)
    shown = {}
    for entry in rootfs.walk():
        if entry.is_file:
            shown[entry.path] = rootfs.read(entry.path).decode()
        elif entry.path != "/":
            shown[entry.path] = f"-> {entry.target}" if entry.kind == "symlink" else f"<{entry.kind}>"
    return shown


STACKS: list[tuple[str, Layers, dict[str, str]]] = [
    ("one-layer", [{"a": "1", "d/": Directory(), "d/b": "2"}], {"/a": "1", "/d": "<directory>", "/d/b": "2"}),
    ("dot-slash", [{"./": Directory(), "./a": "1"}, {"a": "2", "./b": "3"}], {"/a": "2", "/b": "3"}),
    ("implied-folders", [{"x/y/z": "1"}], {"/x": "<directory>", "/x/y": "<directory>", "/x/y/z": "1"}),
    ("doubled-slashes", [{"x//y/./z": "1"}], {"/x": "<directory>", "/x/y": "<directory>", "/x/y/z": "1"}),
    ("upper-wins", [{"a": "1"}, {"a": "2"}, {"a": "3"}], {"/a": "3"}),
    ("whiteout", [{"a": "1", "b": "2"}, {whiteout("a"): ""}], {"/b": "2"}),
    ("whiteout-of-a-folder", [{"d/x": "1", "d/e/y": "2", "e": "3"}, {whiteout("d"): ""}], {"/e": "3"}),
    ("whiteout-of-nothing", [{"a": "1"}, {whiteout("b"): "", whiteout("x/y"): ""}], {"/a": "1"}),
    ("whiteout-not-of-a-longer-name", [{"a": "1", "ab": "2"}, {whiteout("a"): ""}], {"/ab": "2"}),
    ("whiteout-then-again", [{"a": "1"}, {whiteout("a"): ""}, {"a": "3"}], {"/a": "3"}),
    ("whiteout-binds-lower-layers-only", [{"a": "1"}, {"a": "2", whiteout("a"): ""}], {"/a": "2"}),
    ("folder-and-its-whiteout", [{"d/x": "1"}, {whiteout("d"): "", "d/y": "2"}], {"/d": "<directory>", "/d/y": "2"}),
    ("opaque", [{"d/x": "1", "e": "2"}, {f"d/{OPAQUE}": "", "d/y": "3"}],
     {"/d": "<directory>", "/d/y": "3", "/e": "2"}),
    ("opaque-last", [{"d/x": "1"}, {"d/y": "2", f"d/{OPAQUE}": ""}], {"/d": "<directory>", "/d/y": "2"}),
    ("opaque-root", [{"d/x": "1", "a": "2"}, {OPAQUE: "", "b": "3"}], {"/b": "3"}),
    ("opaque-of-nothing", [{"a": "1"}, {f"d/{OPAQUE}": ""}], {"/a": "1"}),
    ("aufs-bookkeeping", [{"a": "1", ".wh..wh.aufs": "", ".wh..wh.orph/": Directory()}], {"/a": "1"}),
    ("file-over-folder", [{"d/x": "1", "d/e/y": "2"}, {"d": "3"}], {"/d": "3"}),
    ("folder-over-file", [{"d": "1"}, {"d/": Directory(), "d/x": "2"}], {"/d": "<directory>", "/d/x": "2"}),
    ("folder-over-folder-keeps", [{"d/x": "1"}, {"d/": Directory(0o700)}], {"/d": "<directory>", "/d/x": "1"}),
    ("link-over-folder", [{"d/x": "1", "e/y": "2"}, {"d": Symlink("e")}],
     {"/d": "-> e", "/e": "<directory>", "/e/y": "2"}),
    ("folder-over-link", [{"e/y": "1", "d": Symlink("e")}, {"d/": Directory(), "d/x": "2"}],
     {"/d": "<directory>", "/d/x": "2", "/e": "<directory>", "/e/y": "1"}),
    ("through-a-link", [{"usr/lib/a": "1", "lib": Symlink("usr/lib")}, {"lib/b": "2"}],
     {"/lib": "-> usr/lib", "/usr": "<directory>", "/usr/lib": "<directory>", "/usr/lib/a": "1", "/usr/lib/b": "2"}),
    ("through-a-link-to-a-new-folder", [{"usr/": Directory(), "lib": Symlink("usr")}, {"lib/n/b": "2"}],
     {"/lib": "-> usr", "/usr": "<directory>", "/usr/n": "<directory>", "/usr/n/b": "2"}),
    ("through-an-absolute-link", [{"e/": Directory(), "d": Symlink("/../e")}, {"d/b": "2"}],
     {"/d": "-> /../e", "/e": "<directory>", "/e/b": "2"}),
    ("link-out-of-the-tree-stays-inside", [{"etc/": Directory(), "d": Symlink("../../../etc")}, {"d/p": "2"}],
     {"/d": "-> ../../../etc", "/etc": "<directory>", "/etc/p": "2"}),
    ("whiteout-through-a-link", [{"usr/lib/a": "1", "lib": Symlink("usr/lib")}, {whiteout("lib/a"): ""}],
     {"/lib": "-> usr/lib", "/usr": "<directory>", "/usr/lib": "<directory>"}),
    ("whiteout-of-a-link", [{"e/y": "1", "d": Symlink("e")}, {whiteout("d"): ""}], {"/e": "<directory>", "/e/y": "1"}),
    ("opaque-through-a-link", [{"e/y": "1", "d": Symlink("e")}, {f"d/{OPAQUE}": ""}],
     {"/d": "-> e", "/e": "<directory>"}),
    ("opaque-of-an-own-folder-over-a-link", [{"e/y": "1", "d": Symlink("e")}, {"d/": Directory(), f"d/{OPAQUE}": ""}],
     {"/d": "<directory>", "/e": "<directory>", "/e/y": "1"}),
    ("whiteout-in-an-own-folder-over-a-link",
     [{"e/y": "1", "d": Symlink("e")}, {"d/": Directory(), whiteout("d/y"): ""}],
     {"/d": "<directory>", "/e": "<directory>", "/e/y": "1"}),
    ("hard-link", [{"a": "1", "b": HardLink("a")}], {"/a": "1", "/b": "1"}),
    ("hard-link-absolute", [{"a": "1", "b": HardLink("/a")}], {"/a": "1", "/b": "1"}),
    ("hard-link-dotted", [{"./a": "1", "b": HardLink("./a")}], {"/a": "1", "/b": "1"}),
    ("hard-link-into-a-lower-layer", [{"a": "1"}, {"x": "0"}, {"b": HardLink("a")}], {"/a": "1", "/b": "1", "/x": "0"}),
    ("hard-link-outlives-its-target", [{"a": "1"}, {"b": HardLink("a")}, {whiteout("a"): ""}], {"/b": "1"}),
    ("hard-link-keeps-what-it-named", [{"a": "1"}, {"b": HardLink("a")}, {"a": "3"}], {"/a": "3", "/b": "1"}),
    ("hard-link-to-a-link", [{"a": Symlink("x"), "b": HardLink("a")}], {"/a": "-> x", "/b": "-> x"}),
    ("hard-link-through-a-link", [{"e/y": "1", "d": Symlink("e"), "b": HardLink("d/y")}],
     {"/b": "1", "/d": "-> e", "/e": "<directory>", "/e/y": "1"}),
    ("hard-link-over-a-folder", [{"a": "1", "d/x": "2"}, {"d": HardLink("a")}], {"/a": "1", "/d": "1"}),
    ("devices", [{"dev/null": Device(), "dev/sda": Device("block", 8, 0), "p": Fifo()}],
     {"/dev": "<directory>", "/dev/null": "<character device>", "/dev/sda": "<block device>", "/p": "<fifo>"}),
    ("link-loop", [{"a": Symlink("b"), "b": Symlink("a"), whiteout("a/x"): ""}], {"/a": "-> b", "/b": "-> a"}),
    ("root-is-a-folder", [{"./": Directory(0o700), "a": "1"}, {".": Symlink("x")}], {"/a": "1"}),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "expected"), [row[1:] for row in STACKS], ids=[row[0] for row in STACKS])
def test_stacking(tmp_path: Path, layers: Layers, expected: dict[str, str]) -> None:
    assert contents(tmp_path, *layers) == expected


def test_the_last_of_equal_names_in_one_layer_counts(tmp_path: Path) -> None:
    tar = layer_tar([("a", "first"), ("d/x", "1"), ("a", "22"), ("d", "file"), ("d/", Directory()), ("d/y", "3")])
    assert contents(tmp_path, tar) == {"/a": "22", "/d": "<directory>", "/d/y": "3"}
    assert read_changeset(tmp_path / "layer-0.tar", "x").size == len("22") + len("1") + len("3")


def test_entries_remember_their_layer_and_metadata(tmp_path: Path) -> None:
    rootfs = rootfs_of(
        tmp_path,
        {"./": Directory(0o700, 1, 2), "lib": Symlink("usr/lib"), "usr/lib/": Directory()},
        {"lib/su": File(b"x", 0o4755, 3, 4), "link": HardLink("lib/su")},
    )
    su = rootfs.stat("/usr/lib/su")
    assert (su.layer, su.mode, su.uid, su.gid, su.size) == (1, 0o4755, 3, 4, 1)
    link = rootfs.stat("/link")
    assert (link.path, link.layer, link.offset) == ("/link", 1, su.offset)
    root = rootfs.stat("/")
    assert (root.mode, root.uid, root.gid, root.layer) == (0o700, 1, 2, 0)
    assert rootfs.stat("/lib").layer == 0


def test_sizes_count_a_hard_link_once(tmp_path: Path) -> None:
    layers = [
        layer_tar({"a": "12345", "b": HardLink("a"), "empty": "", "also-empty": ""}),
        layer_tar({"c": HardLink("a"), "d": "1", "a": "12"}),
    ]
    rootfs = rootfs_of(tmp_path, *layers)
    sizes = [read_changeset(tmp_path / f"layer-{number}.tar", "x").size for number in range(2)]
    assert sizes == [5, 3]
    assert rootfs_size(rootfs.walk()) == 5 + 1 + 2


HOSTILE: list[tuple[str, Layers, str]] = [
    ("parent", [{"../etc/passwd": "x"}], "layer 0: name '../etc/passwd' leads out of the image"),
    ("parent-inside", [{"a/../../b": "x"}], "layer 0: name 'a/../../b' leads out of the image"),
    ("parent-whiteout", [{"../.wh.a": ""}], "layer 0: name '../.wh.a' leads out of the image"),
    ("absolute", [{"/etc/passwd": "x"}],
     "layer 0: absolute name '/etc/passwd' (expected one relative to the image's root)"),
    ("hard-link-out", [{"a": HardLink("../../etc/shadow")}],
     "layer 0: hard link target '../../etc/shadow' leads out of the image"),
    ("hard-link-to-nothing", [{"a": HardLink("b")}],
     "layer 0: hard link '/a' to '/b', which is not in the image"),
    ("hard-link-before-its-target", [{"b": HardLink("c"), "c": "1"}],
     "layer 0: hard link '/b' to '/c', which is not in the image"),
    ("hard-link-to-a-folder", [{"d/": Directory()}, {"a": HardLink("d")}],
     "layer 1: hard link '/a' to '/d', which is not in the image"),
    ("hard-link-to-what-is-removed", [{"a": "1"}, {whiteout("a"): "", "b": HardLink("a")}],
     "layer 1: hard link '/b' to '/a', which is not in the image"),
    ("below-a-file", [{"a": "1", "a/b/c": "2"}], "layer 0: '/a' is a file, yet files are placed in it"),
    ("below-a-device", [{"a": Device()}, {"a/b": "2"}],
     "layer 1: '/a' is a character device, yet files are placed in it"),
    ("below-a-dangling-link", [{"a": Symlink("/x")}, {"a/b": "2"}],
     "layer 1: '/a' is a symlink, yet files are placed in it"),
    ("below-a-loop", [{"a": Symlink("b"), "b": Symlink("a")}, {"a/x/y": "2"}],
     "layer 1: '/a' is a symlink, yet files are placed in it"),
    ("whiteout-of-no-name", [{"a/.wh.": ""}], "layer 0: whiteout '.wh.' (expected '.wh.' and a name)"),
    ("whiteout-of-the-parent", [{"a/.wh...": ""}], "layer 0: whiteout '.wh...' (expected '.wh.' and a name)"),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "message"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_hostile_layers(tmp_path: Path, layers: Layers, message: str) -> None:
    with pytest.raises(MalformedImage) as caught:
        rootfs_of(tmp_path, *layers)
    assert str(caught.value) == message


def typed(kind: bytes, **fields: int) -> bytes:
    info = tarfile.TarInfo("odd")
    info.type = kind
    for name, value in fields.items():
        setattr(info, name, value)
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


@pytest.mark.parametrize(
    ("tar", "message"),
    [
        (typed(b"S"), "layer 0: sparse file 'odd' (expected a plain file, directory, link or device)"),
        (typed(b"S", size=0), "layer 0: sparse file 'odd' (expected a plain file, directory, link or device)"),
        (
            typed(b"Z"),
            "layer 0: member of unknown type b'Z': 'odd' (expected a plain file, directory, link or device)",
        ),
    ],
    ids=["sparse", "sparse-empty", "unknown"],
)
def test_members_that_no_layer_may_hold(tmp_path: Path, tar: bytes, message: str) -> None:
    with pytest.raises(MalformedImage) as caught:
        rootfs_of(tmp_path, tar)
    assert str(caught.value) == message


def test_a_sparse_file_of_ten_gigabytes_is_refused_at_once(tmp_path: Path) -> None:
    # As GNU tar writes it: the real size and the map of holes in extended records.
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("GNUSparseFile.0/huge")
        info.size = 512
        info.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "huge",
            "GNU.sparse.realsize": str(10 << 30),
        }
        tar.addfile(info, io.BytesIO(b"1\n10737418239\n1\n".ljust(512, b"\0")))
    with pytest.raises(MalformedImage, match="layer 0: sparse file 'huge'"):
        rootfs_of(tmp_path, buffer.getvalue())


def test_work_is_in_proportion_to_the_layer(tmp_path: Path) -> None:
    # Folders that become files and folders again, over a large lower layer; and a name of 2,000 folders.
    lower = {f"many/{number}": "" for number in range(3000)}
    upper = [(f"d{number}/x" if odd else f"d{number}", b"") for number in range(3000) for odd in (True, False)]
    deep = {"a/" * 2000 + "end": b""}
    started = time.process_time()
    rootfs = rootfs_of(tmp_path, lower, layer_tar(upper), deep)
    assert time.process_time() - started < 10
    assert rootfs.exists("/a" * 2000 + "/end")
    assert rootfs.stat("/d2999").is_file


def test_a_store_that_is_removed_under_a_run(tmp_path: Path) -> None:
    rootfs = rootfs_of(tmp_path, {"a": "12345"})
    tar = tmp_path / "layer-0.tar"
    tar.write_bytes(tar.read_bytes()[:514])
    with pytest.raises(ImageError) as shorter:
        rootfs.read("/a")
    assert str(shorter.value) == f"{tar} has become shorter: 2 of 5 bytes at byte 512; read the image anew"
    tar.unlink()
    for read in (rootfs.read, rootfs.open):
        with pytest.raises(ImageError) as gone:
            read("/a")
        assert str(gone.value) == f"cannot read layer {tar}: No such file or directory; read the image anew"
    with pytest.raises(FileNotInImage):
        rootfs.read("/b")


def test_large_files_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Linux gives at most two gigabytes at a time.
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, length, offset: whole(descriptor, min(length, 3), offset))
    assert rootfs_of(tmp_path, {"a": "0123456789"}).read("/a") == b"0123456789"


def test_changeset_is_a_value(tmp_path: Path) -> None:
    tar = tmp_path / "tar"
    tar.write_bytes(layer_tar({"a": "1", "b": HardLink("a"), whiteout("x/y"): "", f"z/{OPAQUE}": "", OPAQUE: ""}))
    assert read_changeset(tar, "x") == Changeset(
        added=(
            Entry(path="/a", kind="file", mode=0o644, size=1, offset=512),
            LinkItem(path="/b", target="/a"),
        ),
        removed=frozenset({"/x/y"}),
        opaque=frozenset({"/z", "/"}),
    )


def test_no_layers_make_an_empty_root() -> None:
    assert flatten([]) == {"/": Entry(path="/", kind="directory", mode=0o755)}


PARTS = st.sampled_from(["a", "b", "c", ".wh.a", ".wh.b", OPAQUE, "..", "."])
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
NODES = st.one_of(
    st.just(File(b"x")),
    st.just(Directory()),
    st.just(Device()),
    NAMES.map(Symlink),
    NAMES.map(lambda name: Symlink(f"/{name}")),
    NAMES.map(HardLink),
)


@settings(max_examples=150)
@given(layers=st.lists(st.lists(st.tuples(NAMES, NODES), max_size=8), min_size=1, max_size=4))
def test_whatever_layers_hold_the_tree_is_whole(
    tmp_path_factory: pytest.TempPathFactory, layers: list[list[tuple[str, Node]]]
) -> None:
    tar = tmp_path_factory.getbasetemp() / "any.tar"
    changesets = []
    try:
        for number, layer in enumerate(layers):
            tar.write_bytes(layer_tar(layer))
            changesets.append(read_changeset(tar, f"layer {number}"))
        tree = flatten(changesets)
    except AlpineError as error:
        assert str(error).startswith("layer ")  # noqa: PT017 - some layers are broken, not all
        return
    for path, entry in tree.items():
        assert entry.path == path
        parent = tree[path.rpartition("/")[0] or "/"]
        assert parent.kind == "directory"
