"""A test bed of its own for each test, apart from the one the other tests use."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from tests.bed import mirror
from tests.bed.platforms import ARCHES
from tests.bed.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of a test bed on which nothing is up."""
    folder = tmp_path / "bed"
    monkeypatch.setenv("PYTEST_ALPINE_TESTBED", str(folder))
    return folder


@pytest.fixture
def small_mirror(tmp_path: Path) -> Path:
    """A mirror of every known release for three architectures, with next to nothing in it."""
    root = tmp_path / "mirror"
    for release in mirror.KNOWN:
        for name in sorted(release.arches & {"x86_64", "armhf", "riscv64"}):
            tree = Tree(mtime=0)
            tree.file("etc/apk/arch", f"{name}\n")
            mirror.add(root, release, ARCHES[name], gzip.compress(tree.tar(), mtime=0))
    (root / mirror.LATEST).write_text(f"{mirror.KNOWN_LATEST}\n")
    return root
