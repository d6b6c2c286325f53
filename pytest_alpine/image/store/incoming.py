"""Files that are being written into the store: they appear there complete or not at all.

A writer holds a lock (flock(2)) on its file. The kernel releases it when the process dies, however it dies. So an
unlocked file was left by a killed process, and the next writer removes it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from pytest_alpine.errors import StoreError
from pytest_alpine.image.store.folders import make_folder, share_file

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE_VARIABLE: Final = "PYTEST_ALPINE_CACHE"
"""The environment variable that moves the store."""

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system into a StoreError that names *path*."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        way_out = "free some space, or set" if error.errno in _FULL else "set"
        raise StoreError(f"cannot write {path}: {reason}; {way_out} {CACHE_VARIABLE} to another folder") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """A file that is being written."""

    path: Path
    stream: IO[bytes]

    def keep(self, path: Path) -> None:
        """Move the finished file to *path*, in place of an older one.

        Raises:
            StoreError: the disk is full, or the folder cannot be written.
        """
        with store_errors(path):
            self.stream.flush()
            make_folder(path.parent)
            self.path.replace(path)


@contextmanager
def incoming_file(folder: Path) -> Iterator[Incoming]:
    """Open a new file in *folder* for writing; it is removed at the end unless it was kept.

    Raises:
        StoreError: the folder cannot be written.
    """
    incoming = _locked(folder)
    try:
        yield incoming
    finally:
        # On a full disk, closing a file may fail. A file that was kept has been flushed before.
        with suppress(OSError):
            incoming.stream.close()
        incoming.path.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """Remove the files that killed processes left in *folder*."""
    with suppress(OSError):
        for path in folder.iterdir():
            # Another process may have removed, kept or locked the file in the meantime. That is fine.
            with suppress(OSError), path.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def _locked(folder: Path) -> Incoming:
    while True:
        with store_errors(folder):
            make_folder(folder)
            descriptor, name = tempfile.mkstemp(dir=folder)
            stream = os.fdopen(descriptor, "wb")
            share_file(descriptor, folder)
            fcntl.flock(stream, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return Incoming(path=Path(name), stream=stream)
        stream.close()  # another writer removed it in the moment before it was locked
