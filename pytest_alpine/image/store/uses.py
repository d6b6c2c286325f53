"""Which images the store holds, when each was used last, and which of them processes use now.

Each image has a record, a small document; the time of its last change is the image's last use. A process that uses the
image holds a shared lock (flock(2)) on the record, which the kernel releases when the process dies, however it dies.
Who removes an image takes that lock for itself first. New records are written under a second lock, the guard, so that
none appears while files are removed that it needs.
"""

from __future__ import annotations

import fcntl
import json
import os
import weakref
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import AlpineError
from pytest_alpine.image.spec.documents import digest_of
from pytest_alpine.image.store.folders import make_folder, share_file
from pytest_alpine.image.store.incoming import store_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_alpine.image.store.store import Store

_FOLDER: Final = "uses"
_GUARD: Final = "guard"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageName:
    """What tells an image in the store from all others: a tag that moved has led to several."""

    reference: str
    platform: str
    id: str
    """The configuration's digest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UseRecord:
    """One image in the store, and what it needs there."""

    name: ImageName
    digest: str | None
    """The manifest's digest, where the source has manifests."""
    diff_ids: tuple[str, ...]
    """The layers, base first."""
    path: Path
    last_use: float
    """Seconds since 1970."""

    def is_used(self) -> bool:
        """Whether a process uses the image now."""
        with suppress(FileNotFoundError), _opened(self.path) as descriptor:
            return not _try_lock(descriptor)
        return False

    def drop(self) -> bool:
        """Remove the record, unless a process uses the image; return whether it is gone.

        Raises:
            OSError: it cannot be removed.
        """
        with suppress(FileNotFoundError), _opened(self.path) as descriptor:
            if not _try_lock(descriptor):
                return False
            self.path.unlink()
        return True


class Use:
    """The use of an image by this process, until it is ended or forgotten."""

    def __init__(self, descriptor: int) -> None:
        self._end = weakref.finalize(self, os.close, descriptor)

    def end(self) -> None:
        """Let others remove the image from the store."""
        self._end()


def begin_use(store: Store, name: ImageName, digest: str | None, diff_ids: Sequence[str]) -> Use | None:
    """Note that this process uses an image; return None in a store that cannot be written, where nothing is removed.

    Args:
        store: it holds the image, or will soon.
        name: the image's.
        digest: the manifest's, if there is one.
        diff_ids: the layers', base first.
    """
    key = digest_of(f"{name.reference}\n{name.platform}\n{name.id}".encode())
    path = store.root / _FOLDER / f"{key.partition(':')[2]}.json"
    with suppress(OSError, AlpineError):
        descriptor = _shared_lock(path)
        if descriptor is None:
            document = {"reference": name.reference, "platform": name.platform, "id": name.id}
            data = json.dumps(document | {"digest": digest, "diff_ids": list(diff_ids)}).encode()
            with guard(store.root):  # a record that another process holds a lock on must not be replaced
                while (descriptor := _shared_lock(path)) is None:
                    store.write(path, data)
        return Use(descriptor)
    return None


@contextmanager
def guard(root: Path) -> Iterator[None]:
    """Hold the lock under which records of the store *root* are written, and files are removed.

    Raises:
        StoreError: the store cannot be written.
    """
    path = root / _FOLDER / _GUARD
    with store_errors(path):
        make_folder(path.parent)
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with suppress(PermissionError):  # the file is another user's, who has shared it
            share_file(descriptor, path.parent)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def no_new_uses(root: Path, image_id: str) -> Iterator[bool]:
    """Let no process begin to use the images of the store *root* with this ID; tell whether none uses them now.

    Raises:
        StoreError: the store cannot be written.
    """
    with guard(root), ExitStack() as stack:
        records = [record for record in read_records(root) if record.name.id == image_id]
        yield all(_try_lock(stack.enter_context(_opened(record.path))) for record in records)


def read_records(root: Path) -> list[UseRecord]:
    """Return the records of the store *root*, the least recently used image first; damaged ones are left out."""
    found = []
    for path in (root / _FOLDER).glob("*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            found.append(_record(path, json.loads(path.read_bytes())))
    return sorted(found, key=lambda record: (record.last_use, record.path))


def _record(path: Path, document: dict[str, Any]) -> UseRecord:
    return UseRecord(
        name=ImageName(
            reference=str(document["reference"]), platform=str(document["platform"]), id=str(document["id"])
        ),
        digest=document["digest"],
        diff_ids=tuple(map(str, document["diff_ids"])),
        path=path,
        last_use=path.stat().st_mtime,
    )


def _shared_lock(path: Path) -> int | None:
    """Return a descriptor of the file *path* that holds a shared lock, or None where there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if os.fstat(descriptor).st_nlink:  # else it was removed in the moment before it was locked
            with suppress(OSError):  # in a store that is mounted read-only
                os.utime(descriptor)
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
