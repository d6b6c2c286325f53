"""What the images of one command or session share."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import ImageError
from pytest_alpine.image.access import PULLS, Access
from pytest_alpine.image.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(Store(tmp_path))


def test_threads_ask_once(access: Access) -> None:
    asked: list[str] = []

    def ask() -> str:
        asked.append("edge")
        time.sleep(0.05)
        return f"build {len(asked)}"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: access.once("edge", ask), range(8)))
    assert answers == ["build 1"] * 8
    assert asked == ["edge"]


def test_a_failure_is_asked_again(access: Access) -> None:
    def fail() -> str:
        raise ImageError("not now")

    with pytest.raises(ImageError, match="not now"):
        access.once("edge", fail)
    assert access.once("edge", lambda: "build 1") == "build 1"


def test_default_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ALPINE_CACHE", str(tmp_path / "here"))
    assert Access().store.root == tmp_path / "here"
    assert Access().pull == PULLS[0] == "missing"
