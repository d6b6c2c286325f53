"""A store that the users of a group share: what one of them makes, another one may use, lock and remove."""

from __future__ import annotations

import gc
import json
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_alpine import Image, StoreError, open_image
from pytest_alpine.engine.bubblewrap.overlay import ContainerFolder
from pytest_alpine.engine.bubblewrap.unpacked import unpacked
from pytest_alpine.engine.cleanup import prune_store
from pytest_alpine.engine.labels import BOOT
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.folders import make_folder
from pytest_alpine.image.store.prune import Policy, prune
from pytest_alpine.image.store.store import Store
from pytest_alpine.image.store.uses import read_records
from tests.support.images import image, layer_tar, write_oci_layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROUP = 4242
FIRST, SECOND, STRANGER = 4301, 4302, 4303
ALL = Policy(unused_for=0)


@contextmanager
def acting_as(user: int, group: int = GROUP) -> Iterator[None]:
    """Be the *user*, who is in *group* with a private umask."""
    before = os.getgroups(), os.umask(0o077)
    os.setgroups([group])
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before[0])
        os.umask(before[1])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The store that a group shares, below folders that all may enter."""
    if os.geteuid():
        pytest.skip("to be several users takes root: run the tests as root")
    for folder in (tmp_path, *tmp_path.parents[:3]):  # pytest has a folder more for a worker of xdist
        folder.chmod(folder.stat().st_mode | 0o011)
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, 0, GROUP)
    shared.chmod(0o2775)
    write_oci_layout(tmp_path / "app", {"1": [image(layer_tar({"file": "x" * 1000}))]})
    assert len(opened(Store(tmp_path / "warm")).rootfs.read("/file")) == 1000, "what Python loads late, root may read"
    return Store(shared)


def opened(store: Store) -> Image:
    return open_image(f"oci:{store.root.parent}/app:1", "amd64", access=Access(store))


def use(store: Store, name: str) -> None:
    """Do what a run does in the store."""
    found = opened(store)
    assert len(found.rootfs.read("/file")) == 1000
    with store.lock("a name"):
        store.cache("a name", name)
    ContainerFolder.create(store.root / "containers" / name, unpacked(found))


def test_two_users(store: Store) -> None:
    for user in (FIRST, SECOND):
        with acting_as(user):
            use(store, f"user-{user}")
    assert store.cached("a name") == f"user-{SECOND}"
    private = {"roots", "containers"}
    made = [path for path in store.root.rglob("*") if path.relative_to(store.root).parts[0] not in private]
    assert {path.stat().st_uid for path in made} == {FIRST, SECOND}
    for path in (*made, store.root / "roots", store.root / "containers"):
        state = path.stat()
        assert (state.st_gid, stat.S_IMODE(state.st_mode)) == (GROUP, 0o2775 if path.is_dir() else 0o664), path
    for path in (*store.root.glob("roots/*"), *store.root.glob("containers/user-????")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o777 == 0o700, path


def test_who_uses_an_image_notes_it_whoever_has_read_it(store: Store) -> None:
    with acting_as(FIRST):
        use(store, "first")
    (record,) = read_records(store.root)
    os.utime(record.path, (1000, 1000))
    with acting_as(SECOND):
        assert opened(store).id == record.name.id
    assert read_records(store.root)[0].last_use > 1000


def test_one_removes_what_another_has_made(store: Store) -> None:
    with acting_as(FIRST):
        used = opened(store)
        assert used.rootfs.exists("/file")
    with acting_as(SECOND):
        assert prune(store, ALL).images == (), "another user uses it"
        del used
        gc.collect()
        pruned = prune(store, ALL)
    assert (len(pruned.images), pruned.left, pruned.problems) == (1, 0, ())
    assert not list(store.root.glob("layers/*/*"))


def test_each_user_removes_dead_containers_of_their_own(store: Store) -> None:
    for user in (FIRST, SECOND):
        with acting_as(user):
            use(store, f"user-{user}")
    for path in store.root.glob("containers/*.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), BOOT: "earlier"}))
    gc.collect()
    with acting_as(SECOND):
        prune_store(store, ALL)
    left = {path.name for path in (store.root / "containers").iterdir()}
    assert left == {f"user-{FIRST}", f"user-{FIRST}.json"}
    prune_store(store, ALL)
    assert not list((store.root / "containers").iterdir()), "root may remove all"


def test_others_read_and_remove_nothing(store: Store) -> None:
    with acting_as(FIRST):
        use(store, "first")
    gc.collect()
    with acting_as(STRANGER, STRANGER):
        assert len(opened(store).rootfs.read("/file")) == 1000
        with pytest.raises(StoreError, match="Permission denied; set PYTEST_ALPINE_CACHE to another folder"):
            store.cache("a name", "another")
        gc.collect()
        pruned = prune(store, ALL)
        assert (pruned.images, pruned.size) == ((), 0)
        assert pruned.problems[0].endswith(".json: Permission denied")


def test_a_store_of_one_user_stays_that_users_own(tmp_path: Path) -> None:
    write_oci_layout(tmp_path / "app", {"1": [image(layer_tar({"file": "x" * 1000}))]})
    use(Store(tmp_path / "store"), "one")
    layers = [path for path in (tmp_path / "store" / "layers").rglob("*") if path.is_file()]
    assert layers
    assert {stat.S_IMODE(path.stat().st_mode) for path in layers} == {0o600}
    assert stat.S_IMODE((tmp_path / "store" / "containers").stat().st_mode) == 0o700
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert not (tmp_path / "a" / "b").stat().st_mode & stat.S_ISGID
