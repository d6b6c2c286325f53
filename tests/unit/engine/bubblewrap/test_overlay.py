"""Folders of containers: whose they are, and what happens to those of the dead."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_alpine import EngineError
from pytest_alpine.engine.bubblewrap.overlay import ContainerFolder, remove_left
from pytest_alpine.engine.labels import PID, STARTED, process_labels, run_labels

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    folder = tmp_path / "lower"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_text("content")
    (folder / "hard").hardlink_to(folder / "file")
    (folder / "link").symlink_to("/nowhere")
    folder.chmod(0o751)
    return folder


def test_a_folder(tmp_path: Path, lower: Path) -> None:
    parent = tmp_path / "containers"
    folder = ContainerFolder.create(parent / "one", lower)
    assert (folder.path / "lower").readlink() == lower
    assert (folder.path / "upper").stat().st_mode & 0o777 == 0o751, "what the root directory of the overlay has"
    assert json.loads((parent / "one.json").read_text()) == run_labels()
    assert remove_left(parent) == []
    folder.remove()
    assert list(parent.iterdir()) == []


def test_a_copy(tmp_path: Path, lower: Path) -> None:
    folder = ContainerFolder.create(tmp_path / "containers" / "one", lower)
    folder.copy()
    assert (folder.merged / "file").stat().st_nlink == 2
    assert (folder.merged / "file").stat().st_ino != (lower / "file").stat().st_ino
    assert str((folder.merged / "link").readlink()) == "/nowhere"
    assert folder.merged.stat().st_mode & 0o777 == 0o751


def test_a_copy_that_fails(tmp_path: Path) -> None:
    folder = ContainerFolder.create(tmp_path / "one", tmp_path)
    (folder.path / "lower").unlink()
    with pytest.raises(EngineError, match=r"cannot copy a root filesystem: cp: .*No such file"):
        folder.copy()


def test_those_of_the_dead_go(tmp_path: Path, lower: Path) -> None:
    dead = ContainerFolder.create(tmp_path / "dead", lower)
    never_made = tmp_path / "killed-before-it-was-made.json"
    for path in (tmp_path / "dead.json", never_made):
        path.write_text(json.dumps(run_labels() | {STARTED: "1"}))
    garbage = tmp_path / "garbage.json"
    garbage.write_text("{")
    living = ContainerFolder.create(tmp_path / "living", lower)
    assert remove_left(tmp_path) == ["dead", "killed-before-it-was-made"]
    assert not dead.path.exists()
    assert not never_made.exists()
    assert living.path.exists()


def test_one_that_is_kept_goes_with_its_process(tmp_path: Path, lower: Path) -> None:
    folder = ContainerFolder.create(tmp_path / "kept", lower)
    with subprocess.Popen(["sleep", "300"]) as process:
        folder.keep(process.pid)
        assert json.loads((tmp_path / "kept.json").read_text())[PID] == str(process.pid)
        assert process_labels(process.pid)[STARTED]
        assert remove_left(tmp_path) == []
        process.kill()
    assert remove_left(tmp_path) == ["kept"]
