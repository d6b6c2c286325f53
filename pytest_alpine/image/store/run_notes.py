"""What the processes of one run tell each other through the store: one file per note.

The first process that writes a note decides what it says for all. Notes of old runs are removed.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import StoreError
from pytest_alpine.image.spec.documents import digest_of
from pytest_alpine.image.store.incoming import incoming_file, store_errors

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER: Final = "runs"
_KEPT: Final = 2 * 24 * 3600.0  # seconds; no run takes longer


class RunNotes:
    """The notes of one run."""

    def __init__(self, store: Path, run: str) -> None:
        """Write nothing yet.

        Args:
            store: the store's folder.
            run: a text that all processes of the run know, and no other run has; empty where there is one process.
        """
        self._runs = store / _FOLDER
        self._own = self._runs / _hash(run) if run else None

    def read(self, key: str) -> str | None:
        """Return the note *key*, or None."""
        if self._own is None:
            return None
        try:
            return (self._own / _hash(key)).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def agree(self, key: str, text: str) -> str:
        """Write *text* as the note *key* unless there is one, and return what the note says.

        A store that cannot be written has no notes: every process goes by its own text.
        """
        if self._own is None:
            return text
        with suppress(StoreError):
            self._write(self._own / _hash(key), text)
        return self.read(key) or text

    def _write(self, path: Path, text: str) -> None:
        if not path.parent.exists():
            self._remove_old()
        with incoming_file(path.parent) as incoming, store_errors(path):
            incoming.stream.write(text.encode())
            incoming.stream.flush()
            with suppress(FileExistsError):
                os.link(incoming.path, path)

    def _remove_old(self) -> None:
        with suppress(OSError):
            for folder in self._runs.iterdir():
                if folder.stat().st_mtime < time.time() - _KEPT:
                    shutil.rmtree(folder, ignore_errors=True)


def _hash(text: str) -> str:
    return digest_of(text.encode()).partition(":")[2]
