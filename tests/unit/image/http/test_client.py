"""HTTP beside tests: requests are made in threads, and pytest changes the environment around every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.image.http.client import Hints, HttpClient
from tests.support.small_mirror import serving_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def client() -> HttpClient:
    return HttpClient(Hints(limited="", untrusted=""))


@pytest.fixture
def proxies_looked_for(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Look for proxies on the way to this machine too, and twice find the environment changing."""
    looks: list[str] = []

    def look() -> dict[str, str]:
        looks.append("look")
        if len(looks) <= 2:
            raise KeyError("PYTEST_CURRENT_TEST")
        return {}

    monkeypatch.setattr("pytest_alpine.image.http.client.is_loopback", lambda _: False)
    monkeypatch.setattr("requests.utils.getproxies", look)
    return looks


def test_an_environment_that_changes_meanwhile(
    client: HttpClient, tmp_path: Path, proxies_looked_for: list[str]
) -> None:
    (tmp_path / "file").write_text("content")
    with serving_files(tmp_path) as server:
        assert client.document("GET", f"{server.url}file", limit=100).body == b"content"
        assert server.asked("file") == 1
    assert len(proxies_looked_for) >= 3
