"""The flattened tree of an image, as it is kept: the same tree, whatever was read to make it."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import FileNotInImage, MalformedImage
from pytest_alpine.image.blobs.layer import ByteStream, Layer
from pytest_alpine.image.store.store import Store
from pytest_alpine.image.store.stored_tree import chain_id
from pytest_alpine.rootfs.layers import LayeredRootFS
from tests.support.images import OPAQUE, Device, Directory, File, HardLink, Symlink, layer_tar, whiteout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = layer_tar(
    {
        "etc/": Directory(mode=0o750, uid=3, gid=4),
        "etc/motd": "welcome",
        "bin/busybox": File(b"\x7fELF" * 100, mode=0o4755),
        "bin/sh": Symlink("/bin/busybox"),
        "bin/ping": File(b"#!", capabilities=bytes.fromhex("0100000200200000000000000000000000000000")),
        "bin/ash": HardLink("bin/busybox"),
        "dev/null": Device(),
        "var/cache/a": "aa",
        "odd \udcff name": "x",
    }
)
UPPER = layer_tar(
    {whiteout("etc/motd"): "", f"var/cache/{OPAQUE}": "", "var/cache/b": "bbb", "bin/sh": File(b"#!dash")}
)


class Source:
    def __init__(self) -> None:
        self.opened = 0

    def layers(self, *tars: bytes) -> list[Layer]:
        return [self._layer(tar) for tar in tars]

    def _layer(self, tar: bytes) -> Layer:
        @contextmanager
        def opened() -> Iterator[ByteStream]:
            self.opened += 1
            yield io.BytesIO(tar)

        digest = f"sha512:{hashlib.sha512(tar).hexdigest()}"
        return Layer(open=opened, where="app:1, layer", digest=digest)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.mark.parametrize("tars", [(BASE,), (BASE, UPPER), (UPPER, BASE, BASE)], ids=["one", "two", "three"])
def test_second_read_finds_the_same_tree(store: Store, tars: tuple[bytes, ...]) -> None:
    source = Source()
    layers = source.layers(*tars)
    made = store.tree(layers)
    # Neither the changesets nor the layers' contents are looked at again.
    for changeset in store.root.glob("layers/sha256/*.json"):
        changeset.write_bytes(b"")
    kept = Store(store.root).tree(layers)
    assert dict(kept.entries) == dict(made.entries)
    assert (kept.tars, kept.unpacked, kept.rootfs) == (made.tars, made.unpacked, made.rootfs)
    assert source.opened == len(set(tars))
    first, second = (list(LayeredRootFS(tree.entries, tree.tars).walk()) for tree in (made, kept))
    assert first == second


def test_tree_is_that_of_all_layers(store: Store) -> None:
    layers = Source().layers(BASE, UPPER)
    for _ in range(2):
        tree = Store(store.root).tree(layers)
        rootfs = LayeredRootFS(tree.entries, tree.tars)
        assert rootfs.read("/bin/sh") == b"#!dash"
        assert rootfs.read("/bin/ash") == b"\x7fELF" * 100
        assert not rootfs.exists("/etc/motd")
        assert [entry.path for entry in rootfs.walk("/var/cache")] == ["/var/cache", "/var/cache/b"]
        assert rootfs.stat("/etc").mode == 0o750
        with pytest.raises(FileNotInImage):
            rootfs.read("/var/cache/a")
        assert tree.unpacked == 7 + 400 + 2 + 2 + 1 + 3 + 6
        assert tree.rootfs == 400 + 2 + 1 + 3 + 6
        assert "/nowhere" not in tree.entries
        assert len(tree.entries) == len(list(tree.entries))


def damage(tree: Path, how: str) -> None:
    if how == "garbage":
        tree.write_bytes(b"\xff")
    elif how == "old-format":
        tree.write_text(json.dumps({**json.loads(tree.read_bytes()), "format": 0}))
    else:
        tree.unlink()


@pytest.mark.parametrize("how", ["garbage", "old-format", "gone"])
def test_damaged_tree_is_made_anew(store: Store, how: str) -> None:
    source = Source()
    layers = source.layers(BASE, UPPER)
    expected = dict(store.tree(layers).entries)
    (file,) = store.root.glob("trees/sha256/*.json")
    damage(file, how)
    assert dict(Store(store.root).tree(layers).entries) == expected
    assert source.opened == 2
    assert json.loads(file.read_bytes())["unpacked"]


def test_tree_is_of_no_use_without_its_layers(store: Store) -> None:
    source = Source()
    layers = source.layers(BASE)
    (tar,) = store.tree(layers).tars
    tar.unlink()
    tree = Store(store.root).tree(layers)
    assert LayeredRootFS(tree.entries, tree.tars).read("/etc/motd") == b"welcome"
    assert source.opened == 2


def test_tree_that_cannot_be(store: Store) -> None:
    layers = Source().layers(layer_tar({"etc": "a file"}), layer_tar({"a": HardLink("nowhere")}))
    with pytest.raises(MalformedImage, match=r"^app:1, layer: hard link '/a' to '/nowhere', which is not in the image"):
        store.tree(layers)
    assert not list(store.root.glob("trees/**/*.json"))


def test_chain_id_is_that_of_the_image_spec() -> None:
    one, two, three = (f"sha256:{digit * 64}" for digit in "123")
    assert chain_id([one]) == one
    below = f"sha256:{hashlib.sha256(f'{one} {two}'.encode()).hexdigest()}"
    assert chain_id([one, two]) == below
    assert chain_id([one, two, three]) == f"sha256:{hashlib.sha256(f'{below} {three}'.encode()).hexdigest()}"
