"""The store: whole or nothing, whoever writes, whatever breaks."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_alpine.errors import DigestMismatch, ImageError, MalformedImage, StoreError
from pytest_alpine.image.blobs.layer import ByteStream, Layer
from pytest_alpine.image.store.incoming import CACHE_VARIABLE, incoming_file, remove_abandoned
from pytest_alpine.image.store.store import Store
from tests.support.images import Compression, compress, layer_tar
from tests.support.mirror import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

TAR = layer_tar({"etc/alpine-release": "3.20.3\n", "big": os.urandom(300_000)})
BLOB = compress(TAR)


def sha(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


class Source:
    """A layer as a source has it, and how often it was opened."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.opened = 0

    @contextmanager
    def open(self) -> Iterator[ByteStream]:
        self.opened += 1
        yield io.BytesIO(self.data)

    def layer(self, *, digest: str | None = None, diff_id: str | None = None, size: int | None = None) -> Layer:
        return Layer(open=self.open, where="app:1 linux/amd64, layer 0", digest=digest, diff_id=diff_id, size=size)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def files(store: Store) -> list[str]:
    """Return what the store holds, its locks aside."""
    found = (path.relative_to(store.root) for path in store.root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != "locks")


@pytest.mark.parametrize("compression", ["gzip", "zstd", "plain"])
def test_layer_is_kept_as_a_plain_tar(store: Store, compression: Compression) -> None:
    blob = compress(TAR, compression)
    stored = store.layer(Source(blob).layer(digest=sha(blob), diff_id=sha(TAR), size=len(blob)))
    assert stored.diff_id == sha(TAR)
    assert stored.tar.read_bytes() == TAR
    assert [item.path for item in stored.changeset.added] == ["/etc/alpine-release", "/big"]


@pytest.mark.parametrize("known", [("digest",), ("diff_id",), ("digest", "diff_id")], ids=" and ".join)
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_second_read_opens_nothing(store: Store, known: tuple[str, ...], algorithm: str) -> None:
    source = Source(BLOB)
    digests = {"digest": sha(BLOB, algorithm), "diff_id": sha(TAR)}
    layer = source.layer(
        digest=digests["digest"] if "digest" in known else None,
        diff_id=digests["diff_id"] if "diff_id" in known else None,
    )
    first = store.layer(layer)
    assert Store(store.root).layer(layer) == first
    assert store.diff_id(layer) == sha(TAR)
    assert source.opened == 1


def test_padding_belongs_to_the_blob(store: Store) -> None:
    padded = BLOB + bytes(512)
    assert store.layer(Source(padded).layer(digest=sha(padded), size=len(padded))).diff_id == sha(TAR)


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


class Damage(NamedTuple):
    """A blob, what is said of it, and what the error says."""

    data: bytes
    digest: str | None
    message: str
    error: type[Exception] = DigestMismatch
    diff_id: str | None = None
    size: int | None = None


CUT, FLIPPED, FLIPPED_TAR, LONGER = BLOB[:1000], flipped(BLOB, 5000), flipped(TAR, 700), BLOB + b"x"
DAMAGES = {
    "truncated": Damage(CUT, sha(BLOB), f"truncated: 1000 of {len(BLOB)} bytes", MalformedImage, size=len(BLOB)),
    "truncated-of-unknown-size": Damage(CUT, sha(BLOB), f"the digest is {sha(CUT)}, expected {sha(BLOB)}"),
    "empty": Damage(b"", sha(BLOB), f"truncated: 0 of {len(BLOB)} bytes", MalformedImage, size=len(BLOB)),
    "bit-flipped": Damage(FLIPPED, sha(BLOB), f"expected {sha(BLOB)}: the bytes were damaged or replaced on their way"),
    "bit-flipped-in-magic": Damage(flipped(BLOB, 1), sha(BLOB), f"expected {sha(BLOB)}", size=len(BLOB)),
    "plain-bit-flipped": Damage(FLIPPED_TAR, None, f"the diff ID is {sha(FLIPPED_TAR)}, expected", diff_id=sha(TAR)),
    "wrong-diff-id": Damage(BLOB, sha(BLOB), f"the diff ID is {sha(TAR)}, expected {sha(CUT)}", diff_id=sha(CUT)),
    "more-than-the-blob": Damage(
        LONGER, sha(BLOB), f"more than the {len(BLOB)} bytes that its source names", MalformedImage, size=len(BLOB)
    ),
    "published-longer": Damage(
        LONGER, sha(LONGER), f"more than the {len(BLOB)} bytes that its source names", MalformedImage, size=len(BLOB)
    ),
    "published-cut": Damage(CUT, sha(CUT), "broken gzip data: it ends in the middle", MalformedImage),
    "published-garbage": Damage(bytes(range(256)), sha(bytes(range(256))), "not a readable tar", MalformedImage),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_layer_leaves_nothing(store: Store, damage: Damage) -> None:
    layer = Source(damage.data).layer(digest=damage.digest, diff_id=damage.diff_id, size=damage.size)
    with pytest.raises(damage.error) as caught:
        store.layer(layer)
    assert str(caught.value).startswith("app:1 linux/amd64, layer 0: ")
    assert damage.message in str(caught.value)
    assert files(store) == []


def test_endless_blob_is_read_no_further_than_its_size(store: Store) -> None:
    class Endless:
        read_bytes = 0

        def read(self, size: int = -1, /) -> bytes:
            self.read_bytes += size
            return b"\x1f\x8b" + bytes(size - 2)

    endless = Endless()

    @contextmanager
    def opened() -> Iterator[ByteStream]:
        yield endless

    layer = Layer(open=opened, where="app:1, layer 0", digest=sha(BLOB), size=len(BLOB))
    with pytest.raises(MalformedImage, match="more than the"):
        store.layer(layer)
    assert endless.read_bytes < 4 << 20


def test_failing_source_leaves_nothing_and_is_asked_again(store: Store) -> None:
    def broken() -> AbstractContextManager[ByteStream]:
        raise ImageError("the line is dead")

    with pytest.raises(ImageError, match="the line is dead"):
        store.layer(Layer(open=broken, where="w", digest=sha(BLOB)))
    assert files(store) == []
    assert store.layer(Source(BLOB).layer(digest=sha(BLOB))).diff_id == sha(TAR)


def test_layer_without_any_digest(store: Store) -> None:
    with pytest.raises(MalformedImage, match="neither digest nor diff ID is known"):
        store.layer(Source(BLOB).layer())


@pytest.mark.parametrize(
    "damage", ["tar-gone", "tar-cut", "changeset-garbage", "changeset-of-old-format", "diff-id-garbage"]
)
def test_damaged_store_heals(store: Store, damage: str) -> None:
    source = Source(BLOB)
    layer = source.layer(digest=sha(BLOB))
    stored = store.layer(layer)
    changeset = stored.tar.with_suffix(".json")
    if damage == "tar-gone":
        stored.tar.unlink()
    elif damage == "tar-cut":
        os.truncate(stored.tar, 1024)
    elif damage == "changeset-garbage":
        changeset.write_bytes(b"\xff" * 100)
    elif damage == "changeset-of-old-format":
        changeset.write_text('{"format": 0}')
    else:
        next(store.root.glob("diff-ids/sha256/*")).write_bytes(b"\xff../x")
    assert store.layer(layer).tar.read_bytes() == TAR
    assert source.opened == 2
    store.layer(layer)
    assert source.opened == 2


def test_documents(store: Store) -> None:
    digest = store.add_document(b"{}")
    assert digest == sha(b"{}")
    assert store.add_document(b"{}", "sha512") == sha(b"{}", "sha512")
    assert Store(store.root).document(digest) == b"{}"
    assert store.document(sha(b"other")) is None
    next(store.root.glob("documents/sha256/*")).write_bytes(b"[]")
    assert store.document(digest) is None
    store.add_document(b"{}")
    assert store.document(digest) == b"{}"


@pytest.mark.parametrize("digest", ["sha256:../../etc/passwd", "../x:y", "", "sha256:" + "A" * 64, "md5:" + "0" * 32])
def test_digests_never_become_other_paths(store: Store, digest: str) -> None:
    with pytest.raises(MalformedImage, match="invalid digest"):
        store.document(digest)
    with pytest.raises(MalformedImage, match="invalid digest"):
        store.layer(Source(BLOB).layer(diff_id=digest or "x"))


def test_names_are_cached(store: Store) -> None:
    assert store.cached("alpine:edge") is None
    store.cache("alpine:edge", "one")
    store.cache("alpine:edge", "two")
    assert Store(store.root).cached("alpine:edge") == "two"
    assert store.cached("alpine:3.20") is None


def test_default_store_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "here"))
    assert Store.default().root == tmp_path / "here"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(CACHE_VARIABLE, "~/caches/alpine")
    assert Store.default().root == tmp_path / "home" / "caches" / "alpine"
    monkeypatch.setenv(CACHE_VARIABLE, "~nobody-has-this-name/x")
    assert Store.default().root == Path("~nobody-has-this-name/x")
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert Store.default().root == tmp_path / "cache" / "pytest-alpine"


# Reads one layer whose opening takes a while, and tells each opening in a file.
READER = """
import sys, time
from contextlib import contextmanager
from pathlib import Path
from pytest_alpine.image.blobs.layer import Layer
from pytest_alpine.image.store.store import Store

root, blob, opens = map(Path, sys.argv[1:4])
digest, pause = sys.argv[4], float(sys.argv[5])

class Slow:
    def __init__(self, stream):
        self.stream = stream
    def read(self, size=-1):
        data = self.stream.read(min(size, 30_000))
        time.sleep(pause)
        return data

@contextmanager
def opened():
    with opens.open("a") as log:
        log.write("opened\\n")
    with blob.open("rb") as stream:
        yield Slow(stream)

layer = Layer(open=opened, where="layer 0", digest=digest)
print(Store(root).layer(layer, lambda text: print(text, flush=True)).diff_id, flush=True)
"""


def reader(tmp_path: Path, pause: float) -> subprocess.Popen[str]:
    blob = tmp_path / "blob"
    blob.write_bytes(BLOB)
    argv = [str(tmp_path / "store"), str(blob), str(tmp_path / "opens"), sha(BLOB), str(pause)]
    return subprocess.Popen([sys.executable, "-c", READER, *argv], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_processes_on_one_cold_store_read_once(tmp_path: Path) -> None:
    readers = [reader(tmp_path, 0.05) for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0] for process in readers]
    assert [process.returncode for process in readers] == [0] * 4
    assert all(output.splitlines()[-1] == sha(TAR) for output in outputs)
    assert (tmp_path / "opens").read_text() == "opened\n"
    assert any("waiting for another process that reads layer 0" in output for output in outputs)


def test_killed_process_leaves_nothing_that_stays(tmp_path: Path, store: Store) -> None:
    process = reader(tmp_path, 0.2)
    deadline = time.monotonic() + 30
    while not (left := list((tmp_path / "store" / "incoming").glob("*"))) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(left) == 1
    assert left[0].exists()
    assert store.layer(Source(BLOB).layer(digest=sha(BLOB))).tar.read_bytes() == TAR
    assert not left[0].exists()
    assert list((tmp_path / "store" / "incoming").iterdir()) == []


def test_files_being_written_are_not_abandoned(tmp_path: Path) -> None:
    (tmp_path / "left").write_bytes(b"by a killed process")
    with incoming_file(tmp_path) as incoming:
        remove_abandoned(tmp_path)
        assert list(tmp_path.iterdir()) == [incoming.path]
    assert list(tmp_path.iterdir()) == []
    remove_abandoned(tmp_path / "nowhere")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    if os.geteuid():
        pytest.skip("mounting a small file system takes root: run the tests as root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs: allow CAP_SYS_ADMIN")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_while_a_layer_is_written(small_disk: Path) -> None:
    store = Store(small_disk)
    with pytest.raises(StoreError) as caught:
        store.layer(Source(BLOB).layer(digest=sha(BLOB)))
    assert str(caught.value).startswith(f"cannot write {small_disk}/incoming/")
    assert "No space left on device; free some space, or set PYTEST_ALPINE_CACHE to another folder" in str(caught.value)
    assert files(store) == []
    small = layer_tar({"a": "b"})
    assert store.layer(Source(small).layer(digest=sha(small))).diff_id == sha(small)


def test_full_disk_while_a_document_is_written(small_disk: Path) -> None:
    store = Store(small_disk)
    with pytest.raises(StoreError, match="No space left on device"):
        store.add_document(os.urandom(400_000))
    assert files(store) == []


@pytest.fixture
def read_only(small_disk: Path) -> Iterator[Callable[[], None]]:
    """What makes the small disk read-only."""

    def remount(mode: str = "ro") -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", str(small_disk)], check=True)

    yield remount
    remount("rw")


@pytest.mark.parametrize("locked_before", [False, True])
def test_read_only_store(small_disk: Path, read_only: Callable[[], None], locked_before: bool) -> None:
    store, small = Store(small_disk), layer_tar({"a": "b"})
    known = store.layer(Source(small).layer(digest=sha(small)))
    document = store.add_document(b"{}")
    store.cache("alpine:3.22", document)
    if locked_before:
        with store.lock("alpine:3.22"):
            pass
    read_only()
    with store.lock("alpine:3.22"):
        assert store.cached("alpine:3.22") == document
    store.cache("alpine:3.22", document)
    assert store.add_document(b"{}") == document
    assert store.layer(Source(small).layer(digest=sha(small))) == known
    assert store.tree([Source(small).layer(digest=sha(small))]).entries["/a"].size == 1
    with pytest.raises(StoreError, match="Read-only file system; set PYTEST_ALPINE_CACHE to another folder"):
        store.layer(Source(BLOB).layer(digest=sha(BLOB)))


def test_store_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*/file/.*: Not a directory"):
        Store(tmp_path / "file").add_document(b"{}")
