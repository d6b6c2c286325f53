"""Notes of one run: the first that is written counts."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pytest_alpine.image.store.run_notes import RunNotes

if TYPE_CHECKING:
    from pathlib import Path


def test_the_first_note_counts(tmp_path: Path) -> None:
    one, other = RunNotes(tmp_path, "a"), RunNotes(tmp_path, "a")
    assert one.read("tag") is None
    assert one.agree("tag", "first") == "first"
    assert other.agree("tag", "second") == "first"
    assert other.read("tag") == "first"
    assert RunNotes(tmp_path, "b").agree("tag", "second") == "second"


def test_a_process_that_is_alone_notes_nothing(tmp_path: Path) -> None:
    notes = RunNotes(tmp_path, "")
    assert notes.agree("tag", "first") == "first"
    assert notes.agree("tag", "second") == "second"
    assert notes.read("tag") is None
    assert list(tmp_path.iterdir()) == []


def test_notes_of_old_runs_are_removed(tmp_path: Path) -> None:
    RunNotes(tmp_path, "old").agree("tag", "1")
    (old,) = (tmp_path / "runs").iterdir()
    RunNotes(tmp_path, "younger").agree("tag", "2")
    assert old.exists()
    days_ago = time.time() - 3 * 24 * 3600
    os.utime(old, (days_ago, days_ago))
    RunNotes(tmp_path, "new").agree("tag", "3")
    assert not old.exists()
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert RunNotes(tmp_path / "file", "a").agree("tag", "own") == "own"
