from __future__ import annotations

import pytest

from pytest_alpine import EngineUnavailable
from pytest_alpine.dockerapi.podman import look_podman, podman_endpoint
from pytest_alpine.engine.select import connect_to_store, select_engine


@pytest.mark.parametrize(
    ("user", "runtime", "expected"),
    [
        (0, "", "unix:///run/podman/podman.sock (the system's socket)"),
        (1000, "", "unix:///run/user/1000/podman/podman.sock (the user's socket)"),
        (1000, "/run/mine", "unix:///run/mine/podman/podman.sock (the user's socket)"),
    ],
    ids=["root", "user", "runtime folder"],
)
def test_where_it_listens(user: int, runtime: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.setattr("os.geteuid", lambda: user)
    assert str(podman_endpoint()) == expected


def test_a_place_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINER_HOST", "ssh://me@there/run/podman/podman.sock")
    expected = r"^CONTAINER_HOST=ssh://me@there/run/podman/podman.sock: cannot be used \(expected unix:// or tcp://\)$"
    with pytest.raises(EngineUnavailable, match=expected):
        podman_endpoint()


def test_far_away_it_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINER_HOST", "tcp://there:1234")
    assert look_podman() == "podman, at tcp://there:1234"


@pytest.mark.parametrize("use", [select_engine, connect_to_store], ids=["engine", "store"])
def test_it_does_not_answer(use: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINER_HOST", "unix:///nowhere/podman.sock")
    expected = (
        r"^no podman service answers at unix:///nowhere/podman.sock \(from CONTAINER_HOST\): No such file .*; "
        r"start it: systemctl --user enable --now podman.socket"
    )
    assert callable(use)
    with pytest.raises(EngineUnavailable, match=expected):
        use("podman")
