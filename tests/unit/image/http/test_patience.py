"""Patience: how long hosts may be silent, each on its own account."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.image.http.patience import PULL_TIMEOUT, GivenUp, Patience, parse_pull_timeout
from pytest_alpine.image.store.run_notes import RunNotes

if TYPE_CHECKING:
    from pathlib import Path

HOST = "registry.example:5000"
WORDS = (
    "registry.example:5000 does not answer: it was silent for 60 s, the pull timeout, and is not asked again in this "
    "run; try later, or allow more with --alpine-pull-timeout (--pull-timeout of pytest-alpine)"
)


def ago(seconds: float) -> float:
    return time.monotonic() - seconds


def test_one_wait_takes_a_quarter_of_the_budget_at_most() -> None:
    patience = Patience()
    assert patience.timeouts(HOST) == (10, PULL_TIMEOUT / 4)
    patience.spend(HOST, since=ago(55))
    connect, read = patience.timeouts(HOST)
    assert connect == read == pytest.approx(5, abs=1)


def test_a_host_is_given_up_once() -> None:
    patience = Patience()
    with pytest.raises(GivenUp) as first:
        patience.spend(HOST, since=ago(60))
    with pytest.raises(GivenUp) as later:
        patience.timeouts(HOST)
    assert str(first.value) == str(later.value) == WORDS
    assert patience.timeouts("other.example") == (10, 15)


def test_what_is_left_must_be_worth_a_wait() -> None:
    with pytest.raises(GivenUp):
        Patience().spend(HOST, since=ago(59.5))


def test_silences_at_one_time_count_once() -> None:
    patience = Patience()
    for _ in range(4):
        patience.spend(HOST, since=ago(50))
    assert patience.timeouts(HOST)[1] == pytest.approx(10, abs=1)


def test_processes_of_one_run_give_up_together(tmp_path: Path) -> None:
    with pytest.raises(GivenUp):
        Patience(60, RunNotes(tmp_path, "run 1")).spend(HOST, since=ago(60))
    with pytest.raises(GivenUp) as caught:
        Patience(60, RunNotes(tmp_path, "run 1")).timeouts(HOST)
    assert str(caught.value) == WORDS
    assert Patience(60, RunNotes(tmp_path, "run 2")).timeouts(HOST) == (10, 15)
    assert Patience(60, RunNotes(tmp_path, "")).timeouts(HOST) == (10, 15)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90.0), ("0.5", 0.5), ("86400", 86400.0)])
def test_pull_timeout(text: str, seconds: float) -> None:
    assert parse_pull_timeout(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "nan", "inf", "1e9"])
def test_wrong_pull_timeout(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a number of seconds, more than 0 and at most 86400, such as 60$"):
        parse_pull_timeout(text)
