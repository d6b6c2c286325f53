"""Removing from the store: all that nothing needs, nothing that somebody uses, and whole at every moment."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pytest_alpine import Image, ImageNotFound, open_image
from pytest_alpine.engine.bubblewrap.unpacked import unpacked
from pytest_alpine.engine.cleanup import prune_store
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.contents import read_contents
from pytest_alpine.image.store.prune import GRACE, Policy, Pruned, prune
from pytest_alpine.image.store.store import Store
from pytest_alpine.image.store.uses import read_records
from tests.support.images import BuiltImage, image, layer_tar, write_oci_layout
from tests.support.mirror import ROOT
from tests.support.registry_server import RegistryServer, serving

if TYPE_CHECKING:
    from pathlib import Path

BASE = layer_tar({"etc/alpine-release": "3.20.3\n", "base": os.urandom(20_000)})
ALL = Policy(unused_for=0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def app(name: str, size: int = 10_000) -> BuiltImage:
    """Return an image of its own above the layer that all share."""
    return image(BASE, layer_tar({name: name * (size // len(name))}))


def read(folder: Path, store: Store, name: str, built: BuiltImage | None = None) -> Image:
    write_oci_layout(folder / name, {"1": [built or app(name)]})
    found = open_image(f"oci:{folder}/{name}:1", "amd64", access=Access(store))
    assert found.rootfs.read("/etc/alpine-release") == b"3.20.3\n"
    return found


def used_before(store: Store, name: str, seconds: float) -> None:
    """Let the last use of the image *name* have been so long ago."""
    (record,) = (one for one in read_records(store.root) if one.name.reference.endswith(f"/{name}:1"))
    os.utime(record.path, (time.time() - seconds,) * 2)


def age(store: Store) -> None:
    """Let all files of the store, and all last uses, be a day older."""
    for path in store.root.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (path.stat().st_mtime - 86_400,) * 2)


def names(pruned: Pruned) -> list[str]:
    return [image.record.name.reference.rpartition("/")[2] for image in pruned.images]


def files(store: Store) -> list[str]:
    """Return what the store holds, its locks aside."""
    found = (path.relative_to(store.root) for path in store.root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != "locks" and path.name != "guard")


def test_a_tag_that_moved_six_times_shrinks_to_one_build(store: Store) -> None:
    digests = []
    with serving(RegistryServer()) as server:
        for number in range(7):
            built = app(f"build-{number}", 100_000)
            server.push("acme/app", "1", [built])
            reference = f"registry:{server.host}/acme/app:1"
            digests.append(open_image(reference, "amd64", access=Access(store)).chain_id)
        before = read_contents(store.root)
        assert [image.is_replaced for image in before.images] == [True] * 6 + [False]
        gc.collect()
        pruned = prune(store, Policy())
    after = read_contents(store.root)
    assert [image.record.name.id for image in after.images] == [built.config.digest]
    assert (len(pruned.images), pruned.size, pruned.left) == (6, before.size - after.size, after.size)
    assert pruned.size == pytest.approx(6 * 100_000, rel=0.1)
    assert after.size < 150_000
    assert after.unneeded == []
    # The one that is left is whole: nothing of it is asked for again.
    again = open_image(reference, "amd64", access=Access(store, pull="never"))
    assert again.rootfs.read("/build-6") == (b"build-6" * (100_000 // 7))
    assert again.chain_id == digests[-1]


def test_every_platform_of_an_index_stays(store: Store) -> None:
    builds = [
        image(BASE, layer_tar({platform: "x"}), platform=platform) for platform in ("linux/amd64", "linux/arm64/v8")
    ]
    with serving(RegistryServer()) as server:
        server.push("acme/app", "1", builds)
        reference = f"registry:{server.host}/acme/app:1"
        for platform in ("amd64", "arm64"):
            _ = open_image(reference, platform, access=Access(store)).rootfs
    gc.collect()
    before = files(store)
    age(store)
    assert prune(store, Policy()).size == 0
    assert files(store) == before
    used = [record for record in read_records(store.root) if record.name.platform == "linux/arm64"]
    os.utime(used[0].path)
    assert len(prune(store, Policy(unused_for=3600)).images) == 1
    _ = open_image(reference, "arm64", access=Access(store, pull="never")).rootfs
    with pytest.raises(ImageNotFound, match="is not in the local store, and pulling is switched off"):
        _ = open_image(reference, "amd64", access=Access(store, pull="never")).rootfs


def test_images_that_were_not_used_for_long(tmp_path: Path, store: Store) -> None:
    for name, days in {"old": 31, "new": 29}.items():
        read(tmp_path, store, name)
        used_before(store, name, days * 86_400)
    gc.collect()
    pruned = prune(store, Policy(unused_for=30 * 86_400))
    assert names(pruned) == ["old:1"]
    assert not any("old" in path.read_bytes().decode(errors="replace") for path in store.root.glob("layers/*/*.tar"))
    assert read(tmp_path, store, "new").rootfs.exists("/base"), "the layer that both share stays"


@pytest.mark.parametrize(
    ("keep", "left"),
    [(10**9, ["c:1", "a:1", "b:1"]), (900_000, ["a:1", "b:1"]), (500_000, ["b:1"]), (0, [])],
    ids=["all", "two", "one", "none"],
)
def test_least_recently_used_images_go_until_it_fits(tmp_path: Path, store: Store, keep: int, left: list[str]) -> None:
    for name, minutes in {"a": 2, "b": 1, "c": 3}.items():
        read(tmp_path, store, name, app(name, 300_000))
        used_before(store, name, minutes * 60)
    gc.collect()
    pruned = prune(store, Policy(keep=keep))
    stay = read_contents(store.root)
    assert [image.record.name.reference.rpartition("/")[2] for image in stay.images] == left
    assert names(pruned) == ["c:1", "a:1", "b:1"][: 3 - len(left)]
    assert pruned.left == stay.size <= keep
    if not left:
        assert files(store) == []


def test_what_this_process_uses_stays(tmp_path: Path, store: Store) -> None:
    used = read(tmp_path, store, "used")
    read(tmp_path, store, "unused")
    gc.collect()
    assert names(prune(store, ALL)) == ["unused:1"]
    assert used.rootfs.read("/used").startswith(b"used")
    assert names(prune(store, Policy(keep=0))) == []


def test_a_build_that_is_used_stays_after_its_tag_has_moved(tmp_path: Path, store: Store) -> None:
    first = read(tmp_path, store, "app", app("first"))
    second = read(tmp_path, store, "app", app("second"))
    assert prune(store, Policy()).images == ()
    assert first.rootfs.read("/first").startswith(b"first")
    assert second.rootfs.read("/second").startswith(b"second")


READER = """
import sys
from pytest_alpine import open_image
image = open_image(sys.argv[1], "amd64")
image.rootfs
print("ready", flush=True)
sys.stdin.readline()
print(len(image.rootfs.read("/used")), len([image.rootfs.read(entry.path) for entry in image.rootfs.walk()
    if entry.kind == "file"]), flush=True)
"""


def test_what_a_running_process_uses_stays(tmp_path: Path, store: Store) -> None:
    read(tmp_path, store, "used")
    read(tmp_path, store, "unused")
    gc.collect()
    command = [sys.executable, "-c", READER, f"oci:{tmp_path}/used:1"]
    environment = os.environ | {"PYTEST_ALPINE_CACHE": str(store.root)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert names(prune(store, ALL)) == ["unused:1"]
        assert process.communicate("go\n", timeout=60)[0] == "10000 3\n"
    assert process.returncode == 0
    assert names(prune(store, ALL)) == ["used:1"]
    assert files(store) == []


def test_files_that_no_image_needs_yet_stay_for_a_while(tmp_path: Path, store: Store) -> None:
    read(tmp_path, store, "app")
    gc.collect()
    for path in (store.root / "uses").glob("*.json"):
        path.unlink()
    before = files(store)
    assert prune(store, ALL).size == 0
    assert files(store) == before
    for path in store.root.rglob("*"):
        os.utime(path, (time.time() - GRACE - 1,) * 2)
    assert prune(store, Policy()).left == 0
    assert files(store) == []


def test_unpacked_root_filesystems(tmp_path: Path, store: Store) -> None:
    first, second = (read(tmp_path, store, name) for name in ("first", "second"))
    roots = [unpacked(first), unpacked(second)]
    size = 20_000 + 10_000 + len("3.20.3\n")
    assert read_contents(store.root).images[0].size > 2 * size, "both as tars and as files"
    del first, second
    gc.collect()
    # A sandbox that outlives its process refers to the root filesystem that it runs over.
    sandbox = store.root / "containers" / "pytest-alpine-1"
    sandbox.mkdir(parents=True)
    (sandbox / "lower").symlink_to(roots[0])
    assert sorted(names(prune(store, ALL))) == ["first:1", "second:1"]
    assert [root.exists() for root in roots] == [True, False]
    (sandbox / "lower").unlink()
    age(store)
    prune(store, ALL)
    assert not roots[0].exists()
    assert list(roots[0].parent.iterdir()) == []


def test_what_dead_processes_left(tmp_path: Path, store: Store) -> None:
    root = unpacked(read(tmp_path, store, "app"))
    gc.collect()
    partial = root.with_name("0123.partial")
    partial.mkdir()
    left = store.root / "incoming" / "left"
    left.write_text("half of a layer")
    prune_store(store, Policy())
    assert (left.exists(), partial.exists(), root.exists()) == (False, False, True)


def test_an_empty_store(store: Store) -> None:
    assert prune(store, ALL) == Pruned(images=(), size=0, left=0)
    assert not store.root.exists(), "nothing is made"
    assert read_contents(store.root).size == 0


PRUNER = """
from pathlib import Path
import sys
from pytest_alpine.image.store.prune import Policy, prune
from pytest_alpine.image.store.store import Store
prune(Store(Path(sys.argv[1])), Policy(unused_for=0))
"""


def test_killed_at_random_moments_it_leaves_the_store_whole(tmp_path: Path, store: Store) -> None:
    builds = {name: app(name) for name in "abcdef"}
    chance = random.Random(7)
    interrupted = 0
    for _ in range(8):
        for name, built in builds.items():
            unpacked(read(tmp_path, store, name, built))
        gc.collect()
        process = subprocess.Popen([sys.executable, "-c", PRUNER, str(store.root)], cwd=ROOT)
        while process.poll() is None and len(read_records(store.root)) == len(builds):
            time.sleep(0.0005)
        time.sleep(chance.random() * 0.003)
        process.send_signal(signal.SIGKILL)
        interrupted += process.wait() == -signal.SIGKILL and bool(files(store))
        for name, built in builds.items():
            found = read(tmp_path, store, name, built)
            assert found.rootfs.read(f"/{name}") == name.encode() * 10_000
            assert (unpacked(found) / name).read_bytes() == name.encode() * 10_000
        del found
        gc.collect()
    assert interrupted, "a test of nothing: every prune was over before it was killed"
    age(store)
    prune_store(store, ALL)
    assert files(store) == []


READING = """
import sys, time
from pytest_alpine import open_image
from pytest_alpine.image.access import Access
end = time.monotonic() + float(sys.argv[2])
rounds = 0
while time.monotonic() < end:
    for name in "abc":
        image = open_image(f"oci:{sys.argv[1]}/{name}:1", "amd64", access=Access())
        assert image.rootfs.read("/etc/alpine-release") == b"3.20.3\\n"
        assert image.rootfs.read("/" + name) == name.encode() * 10_000
        rounds += 1
print(rounds)
"""


def test_beside_processes_that_open_images_all_the_time(tmp_path: Path, store: Store) -> None:
    for name in "abc":
        read(tmp_path, store, name)
    gc.collect()
    environment = os.environ | {"PYTEST_ALPINE_CACHE": str(store.root)}
    command = [sys.executable, "-c", READING, str(tmp_path), "4"]
    readers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
        for _ in range(4)
    ]
    removed = 0
    while any(reader.poll() is None for reader in readers):
        removed += len(prune(store, ALL).images)
        time.sleep(0.002)
    for reader in readers:
        told, errors = reader.communicate()
        assert (reader.returncode, errors) == (0, "")
        assert int(told) > 3
    assert removed > 10
