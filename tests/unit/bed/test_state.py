"""The state that the test bed keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bed.state import ProcessRecord, State, folder, load, save


def test_what_is_saved_is_loaded(bed: Path) -> None:
    record = ProcessRecord(pid=7, started=12, boot="b")
    state = State(processes={"registry": record}, ports={"registry": 5000}, emulators=["qemu-arm"], mirror="/m")
    save(state)
    assert load() == state
    assert [path.name for path in bed.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"processes": {"x": {}}}', '{"processes": {"x": 3}}', '{"processes": 3}'],
    ids=["empty", "truncated", "list", "null", "no-fields", "number", "no-processes"],
)
def test_a_state_that_cannot_be_read_is_a_fresh_one(bed: Path, text: str) -> None:
    bed.mkdir()
    (bed / "state.json").write_text(text)
    assert load() == State()


def test_fields_of_other_versions_are_passed_over(bed: Path) -> None:
    bed.mkdir()
    (bed / "state.json").write_text('{"mirror": "/m", "gone": 1}')
    assert load() == State(mirror="/m")


def test_the_folder_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ALPINE_TESTBED", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert folder() == Path("/somewhere/pytest-alpine-testbed")
