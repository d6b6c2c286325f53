"""What the tests of image sources share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _quiet_network(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the developer's proxies and logins out of the tests, and the waits between attempts short."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setattr("pytest_alpine.image.http.client.DELAYS", (0.01, 0.01, 0.01))
    monkeypatch.setattr("pytest_alpine.image.http.download.DELAYS", (0.01, 0.01, 0.01))
