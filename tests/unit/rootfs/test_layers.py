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
from tests.support.layer_stacks import REFUSED, STACKS, Stack, tars_of
from tests.support.rootfs import rootfs_of
from tests.support.tars import OPAQUE, Device, Directory, File, HardLink, Node, Symlink, layer_tar, whiteout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.layer_stacks import Layer


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


@pytest.mark.parametrize("stack", STACKS, ids=str)
def test_stacking(tmp_path: Path, stack: Stack) -> None:
    assert contents(tmp_path, *stack.tars) == stack.tree


def test_the_last_of_equal_names_in_one_layer_counts(tmp_path: Path) -> None:
    tar = layer_tar([("a", "first"), ("d/x", "1"), ("a", "22"), ("d", "file"), ("d/", Directory()), ("d/y", "3")])
    assert contents(tmp_path, tar) == {"/a": "22", "/d": "<directory>", "/d/y": "3"}
    assert read_changeset(tmp_path / "layer-0.tar", "x").size == len("22") + len("1") + len("3")


def test_entries_remember_their_layer_and_metadata(tmp_path: Path) -> None:
    rootfs = rootfs_of(
        tmp_path,
        {"./": Directory(0o700, 1, 2), "usr/lib/": Directory(0o750, 5, 6)},
        {"lib": Symlink("usr/lib"), "lib/su": File(b"x", 0o4755, 3, 4), "link": HardLink("lib/su")},
    )
    su = rootfs.stat("/usr/lib/su")
    assert (su.layer, su.mode, su.uid, su.gid, su.size) == (1, 0o4755, 3, 4, 1)
    link = rootfs.stat("/link")
    assert (link.path, link.layer, link.offset) == ("/link", 1, su.offset)
    root = rootfs.stat("/")
    assert (root.mode, root.uid, root.gid, root.layer) == (0o700, 1, 2, 0)
    lib = rootfs.stat("/lib")
    assert (lib.path, lib.mode, lib.uid, lib.gid, lib.layer) == ("/usr/lib", 0o750, 5, 6, 0)


def test_sizes_count_a_hard_link_once(tmp_path: Path) -> None:
    layers = [
        layer_tar({"a": "12345", "b": HardLink("a"), "empty": "", "also-empty": ""}),
        layer_tar({"c": HardLink("a"), "d": "1", "a": "12"}),
    ]
    rootfs = rootfs_of(tmp_path, *layers)
    sizes = [read_changeset(tmp_path / f"layer-{number}.tar", "x").size for number in range(2)]
    assert sizes == [5, 3]
    assert rootfs_size(rootfs.walk()) == 5 + 1 + 2


def test_a_hard_link_to_what_its_layer_removes(tmp_path: Path) -> None:
    # overlayfs would make the link a whiteout, which nobody can have meant.
    with pytest.raises(MalformedImage, match=r"^layer 1: hard link '/b' to '/a', which is not in the image"):
        rootfs_of(tmp_path, {"a": "1"}, {whiteout("a"): "", "b": HardLink("a")})


def test_a_whiteout_below_a_file_of_its_layer(tmp_path: Path) -> None:
    # Docker refuses it, Podman ignores it.
    assert contents(tmp_path, {"a": "1", whiteout("a/b"): ""}) == {"/a": "1"}


@pytest.mark.parametrize(("layers", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_layers_that_no_engine_loads(tmp_path: Path, layers: list[Layer], message: str) -> None:
    with pytest.raises(MalformedImage) as caught:
        rootfs_of(tmp_path, *tars_of(layers))
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
        opaque=frozenset({"/z"}),
    )


def test_no_layers_make_an_empty_root() -> None:
    assert flatten([]) == {"/": Entry(path="/", kind="directory", mode=0o755)}


PARTS = st.sampled_from(["a", "b", "c", ".wh.a", ".wh.b", OPAQUE, "..", ".", ""])
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
    assert tree["/"].kind == "directory"
    for path, entry in tree.items():
        assert entry.path == path
        parent = tree[path.rpartition("/")[0] or "/"]
        assert parent.kind == "directory"
