"""Pythons out of another Debian, made to run here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import testbed
from tests.bed import pythons, sid
from tests.bed.state import BedError

if TYPE_CHECKING:
    from collections.abc import Callable

LOADER = next(Path("/lib64").glob("ld-linux-*.so.*"), None)
DEBIAN_PYTHON = Path("/usr/bin/python3")


def _refuse(*_packages: str) -> Path:
    raise BedError("no network")


def test_where_they_cannot_be_had_one_line_says_why(
    bed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sid, "root", _refuse)
    monkeypatch.setattr(sys, "argv", ["testbed.py", "python"])
    assert testbed.main() == 1
    assert tuple(capsys.readouterr()) == ("", "missing           python3.14 and python3.15: no network\n")
    assert not bed.exists()


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """A root filesystem with this machine's own Python under the names that are wanted."""
    if LOADER is None or not DEBIAN_PYTHON.exists() or shutil.which("patchelf") is None:
        pytest.skip("needs Debian's Python and patchelf")
    root = tmp_path / "sid"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/lib64").mkdir()
    (root / "usr/lib64" / LOADER.name).symlink_to(LOADER.resolve())
    for version in pythons.VERSIONS:
        shutil.copy(DEBIAN_PYTHON, root / f"usr/bin/python{version}")
    return lambda *_packages: root


def test_they_run_outside_with_the_loader_of_their_home(
    bed: Path,
    tree: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sid, "root", tree)
    monkeypatch.setattr(sys, "argv", ["testbed.py", "python"])
    assert testbed.main() == 0
    assert capsys.readouterr().out == f"{bed / 'pythons'}\n"
    link = bed / "pythons" / "python3.14"
    asked = ["patchelf", "--print-interpreter", "--print-rpath", str(link)]
    assert str(tree() / "usr/lib64") in subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert subprocess.run([link, "-c", "print(1)"], capture_output=True, text=True, check=True).stdout == "1\n"
    # What is there is not made again.
    monkeypatch.setattr(sid, "root", _refuse)
    assert pythons.up() == {version: bed / "pythons" / f"python{version}" for version in pythons.VERSIONS}


def test_one_that_does_not_run_here_is_named(
    bed: Path, tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sid, "root", tree)
    shutil.copy("/bin/false", tree() / "usr/bin/python3.14")
    with pytest.raises(BedError, match=r"^python3\.14 of Debian sid does not run here: "):
        pythons.up()
    assert not (bed / "pythons").exists()
