"""What tells which images the store holds, and which of them somebody uses."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pytest_alpine import Image, open_image
from pytest_alpine.errors import MalformedImage
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from pytest_alpine.image.store.uses import UseRecord, read_records
from tests.support.images import image, layer_tar, write_oci_layout
from tests.support.mirror import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def write(folder: Path, content: str = "x", *, platform: str = "linux/amd64") -> None:
    write_oci_layout(folder / "app", {"1": [image(layer_tar({"file": content}), platform=platform)]})


def opened(folder: Path, store: Store) -> Image:
    return open_image(f"oci:{folder}/app:1", "amd64", access=Access(store))


def only_record(store: Store) -> UseRecord:
    (record,) = read_records(store.root)
    return record


@pytest.mark.parametrize("how", ["rootfs", "config", "id", "stored_layers", "chain_id"])
def test_whatever_is_read_of_an_image_is_a_use(tmp_path: Path, store: Store, how: str) -> None:
    write(tmp_path)
    found = opened(tmp_path, store)
    assert read_records(store.root) == []
    getattr(found, how)
    record = only_record(store)
    assert (record.name.reference, record.name.platform) == (f"oci:{tmp_path}/app:1", "linux/amd64")
    assert (record.name.id, record.digest) == (found.id, found.digest)
    assert record.diff_ids == found.config.diff_ids
    assert record.is_used()


def test_the_last_use_is_noted(tmp_path: Path, store: Store) -> None:
    write(tmp_path)
    _ = opened(tmp_path, store).rootfs
    path = only_record(store).path
    inode = path.stat().st_ino
    os.utime(path, (1000, 1000))
    assert only_record(store).last_use == 1000
    _ = opened(tmp_path, store).rootfs
    assert only_record(store).last_use == pytest.approx(time.time(), abs=60)
    assert path.stat().st_ino == inode, "a record is not written anew: others may hold a lock on it"


@pytest.mark.parametrize("held", ["image", "rootfs", "access"])
def test_an_image_is_used_as_long_as_anything_refers_to_it(tmp_path: Path, store: Store, held: str) -> None:
    write(tmp_path)
    found = opened(tmp_path, store)
    kept = {"image": found, "rootfs": found.rootfs, "access": found.access}[held]
    assert found.rootfs.exists("/file")
    del found
    gc.collect()
    record = only_record(store)
    assert record.is_used()
    assert not record.drop()
    assert record.path.exists()
    del kept
    gc.collect()
    assert not record.is_used()
    assert record.drop()
    assert not record.path.exists()
    assert record.drop(), "it is gone"
    assert not record.is_used()


def test_uses_are_ended_at_once(tmp_path: Path, store: Store) -> None:
    write(tmp_path)
    found = opened(tmp_path, store)
    _ = found.rootfs
    found.access.end_uses()
    assert not only_record(store).is_used()


def test_another_process_uses_it(tmp_path: Path, store: Store) -> None:
    write(tmp_path)
    code = (
        "import sys\nfrom pytest_alpine import open_image\n"
        f"rootfs = open_image('oci:{tmp_path}/app:1', 'amd64').rootfs\nprint('ready', flush=True)\nsys.stdin.read()"
    )
    environment = os.environ | {"PYTEST_ALPINE_CACHE": str(store.root)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert only_record(store).is_used()
        assert not only_record(store).drop()
        process.kill()
    assert not only_record(store).is_used()


def test_damaged_records_are_left_out(tmp_path: Path, store: Store) -> None:
    write(tmp_path)
    _ = opened(tmp_path, store).rootfs
    for number, text in enumerate(["", "[]", "{}", '{"reference": "a", "platform": "b", "id": "c", "digest": null}']):
        (store.root / "uses" / f"{number}.json").write_text(text)
    assert only_record(store).name.reference == f"oci:{tmp_path}/app:1"


def test_an_image_that_nobody_can_read_is_no_use(tmp_path: Path, store: Store) -> None:
    write_oci_layout(tmp_path / "app", {"1": [image(layer_tar({"file": "x"}), rootfs={"diff_ids": ["md5:1"]})]})
    with pytest.raises(MalformedImage):
        _ = opened(tmp_path, store).rootfs
    assert read_records(store.root) == []


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "file").write_text("")
    found = opened(tmp_path, Store(tmp_path / "file"))
    assert found.config.diff_ids
    assert read_records(tmp_path / "file") == []
