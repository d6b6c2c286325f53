"""What is said where bubblewrap or patchelf is missing, or may not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bed import apt, sandbox
from tests.bed.state import BedError, State

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only one on PATH."""
    monkeypatch.setattr(apt, "find", lambda name: str(tmp_path / name) if (tmp_path / name).exists() else None)
    monkeypatch.setattr(apt, "may_install", lambda: False)
    return tmp_path


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_both_are_there(programs: Path) -> None:
    program(programs / "bwrap", "case $1 in --version) echo bubblewrap 1.2;; esac")
    program(programs / "patchelf", "echo patchelf 0.1")
    assert sandbox.versions() == "bubblewrap 1.2, patchelf 0.1"
    assert sandbox.problem(State()) is None
    sandbox.up(State())


def test_one_is_missing(programs: Path) -> None:
    program(programs / "bwrap", "true")
    assert sandbox.versions() is None
    expected = "patchelf not installed; run: sudo apt-get update && sudo apt-get install -y patchelf"
    assert sandbox.problem(State()) == expected
    with pytest.raises(BedError, match="patchelf is not installed; run: sudo apt-get update"):
        sandbox.up(State())


def test_the_kernel_refuses(programs: Path) -> None:
    program(programs / "bwrap", "echo bwrap: No permissions to create new namespace >&2; exit 1")
    program(programs / "patchelf", "true")
    assert sandbox.versions() is None
    told = sandbox.problem(State())
    assert told is not None
    assert told.startswith(
        "bubblewrap cannot run (bwrap: No permissions to create new namespace); run: sudo sysctl -w "
    )
    with pytest.raises(BedError, match="bubblewrap cannot run"):
        sandbox.up(State())
