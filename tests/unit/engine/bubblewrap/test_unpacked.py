"""Root filesystems as folders: whole or not at all, and never outside."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine import ImageError, open_image
from pytest_alpine.engine.bubblewrap.unpacked import remove_partial, unpacked
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.folders import remove_tree
from pytest_alpine.image.store.store import Store
from pytest_alpine.rootfs.base import KINDS
from tests.support.images import image, write_oci_layout
from tests.support.layer_stacks import CHARACTERS, LINKS, Stack
from tests.support.tars import Device, Directory, Fifo, File, HardLink, Symlink, layer_tar, whiteout

if TYPE_CHECKING:
    from pytest_alpine import Image

ROOT = os.geteuid() == 0
TREE: dict[str, Any] = {
    "a": Directory(mode=0o700),
    "a/file": File(b"content", mode=0o4755, uid=12, gid=34),
    "a/closed": Directory(mode=0o500),
    "a/closed/inside": b"x",
    "a/link": Symlink("/../../outside"),
    "a/hard": HardLink("a/file"),
    "a/pipe": Fifo(mode=0o640),
    "null": Device(),
    "gone": b"below",
    "tmp": Directory(mode=0o1777),
}


def image_of(folder: Path, *layers: bytes) -> Image:
    write_oci_layout(folder / "layout", {"1": [image(*layers)]})
    return open_image(f"oci:{folder}/layout:1", "linux/amd64", access=Access(Store(folder / "store")))


def test_a_tree(tmp_path: Path) -> None:
    root = unpacked(image_of(tmp_path, layer_tar(TREE), layer_tar({whiteout("gone"): b"", "new/deep/file": b"y"})))
    names = {str(path.relative_to(root)) for path in root.rglob("*")}
    expected = {*TREE, "new", "new/deep", "new/deep/file"} - {"gone"}
    assert names == (expected if ROOT else expected - {"null"})
    found = (root / "a/file").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_nlink) == (0o4755, 2)
    assert (found.st_uid, found.st_gid) == ((12, 34) if ROOT else (os.geteuid(), os.getegid()))
    assert str((root / "a/link").readlink()) == "/../../outside"
    assert stat.S_IMODE((root / "a/closed").stat().st_mode) == 0o500
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert stat.S_ISFIFO((root / "a/pipe").stat().st_mode)
    if ROOT:
        assert (root / "null").stat().st_rdev != 0, "overlays take 0:0 for a mark of what is removed"
    assert stat.S_IMODE(root.parent.stat().st_mode) == 0o700, "nobody else reaches what belongs to root"


def shown(path: Path) -> str:
    """Return what stands at *path*, as the table of stacks says it."""
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return path.read_text()
    return f"-> {path.readlink()}" if stat.S_ISLNK(mode) else f"<{KINDS[stat.S_IFMT(mode)]}>"


@pytest.mark.parametrize("stack", [*CHARACTERS, *LINKS], ids=str)
def test_layers_with_odd_names(tmp_path: Path, stack: Stack) -> None:
    root = unpacked(image_of(tmp_path, *stack.tars))
    expected = {path: what for path, what in stack.tree.items() if ROOT or not what.endswith(" device>")}
    assert {f"/{path.relative_to(root)}": shown(path) for path in root.rglob("*")} == expected


def test_times_of_files(tmp_path: Path) -> None:
    tar = tmp_path / "layer.tar"
    with tarfile.open(tar, "w") as stream:
        member = tarfile.TarInfo("module.py")
        member.mtime = 1_600_000_000
        stream.addfile(member)
    assert (unpacked(image_of(tmp_path, tar.read_bytes())) / "module.py").stat().st_mtime == 1_600_000_000


def test_it_is_unpacked_once(tmp_path: Path) -> None:
    found = image_of(tmp_path, layer_tar(TREE))
    said: list[str] = []
    found.access.progress = said.append
    first = unpacked(found)
    inode = first.stat().st_ino
    assert unpacked(found) == first
    assert first.stat().st_ino == inode
    assert said == [f"unpacking {found.reference} linux/amd64"]


PROCESS = """
import sys
from pathlib import Path
from pytest_alpine import open_image
from pytest_alpine.engine.bubblewrap.unpacked import unpacked
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.folders import remove_tree
from pytest_alpine.image.store.store import Store
folder = Path(sys.argv[1])
access = Access(Store(folder / "store"), progress=print)
print(unpacked(open_image(f"oci:{folder}/layout:1", "linux/amd64", access=access)))
"""


def test_by_several_processes_at_once(tmp_path: Path) -> None:
    image_of(tmp_path, layer_tar({f"file-{number}": b"x" * 1000 for number in range(300)}))
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert len({lines[-1] for lines in told}) == 1
    assert sum(line.startswith("unpacking") for lines in told for line in lines) == 1
    assert len(list(Path(told[0][-1]).iterdir())) == 300


def test_what_a_killed_process_left(tmp_path: Path) -> None:
    found = image_of(tmp_path, layer_tar(TREE))
    root = unpacked(found)
    left, held = (root.with_name(f"{name}.partial") for name in ("left", "held"))
    left.mkdir()
    (left / "file").write_text("half")
    held.mkdir()
    descriptor = os.open(held, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    remove_partial(found.store.root)
    assert (left.exists(), held.exists(), root.exists()) == (False, True, True)
    os.close(descriptor)
    remove_partial(found.store.root)
    assert not held.exists()


def test_a_half_is_begun_anew(tmp_path: Path) -> None:
    found = image_of(tmp_path, layer_tar(TREE))
    root = unpacked(found)
    root.rename(root.with_name(f"{root.name}.partial"))
    (root.with_name(f"{root.name}.partial") / "stale").write_text("x")
    assert not (unpacked(found) / "stale").exists()


def test_a_layer_that_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = image_of(tmp_path, layer_tar({"big": b"x" * 100_000}))
    monkeypatch.setattr("os.sendfile", lambda *_: 0)
    with pytest.raises(ImageError, match="/big: its layer in the store is cut; read the image anew"):
        unpacked(found)
    monkeypatch.undo()
    assert (unpacked(found) / "big").stat().st_size == 100_000


def test_trees_without_rights_are_removed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "closed" / "deep").mkdir(parents=True)
    (tree / "closed" / "deep" / "file").write_text("x")
    (tree / "link").symlink_to("/")
    (tree / "closed" / "deep").chmod(0)
    (tree / "closed").chmod(0)
    remove_tree(tree)
    assert not tree.exists()
    remove_tree(tree)
