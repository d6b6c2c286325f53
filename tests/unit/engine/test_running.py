"""The registry of an engine's containers: what is started is stopped, whatever goes wrong."""

from __future__ import annotations

import pytest

from pytest_alpine.engine.running import RunningContainers
from pytest_alpine.errors import EngineError


def test_what_is_left_is_stopped_at_the_end() -> None:
    running, stopped = RunningContainers(), list[str]()
    for name in ("a", "b", "c"):
        running.add(name, lambda name=name: stopped.append(name))  # type: ignore[misc]  # of a lambda with a default
    running.forget("b")
    running.forget("b")
    running.close()
    assert sorted(stopped) == ["a", "c"]
    running.close()
    assert sorted(stopped) == ["a", "c"]


def test_a_container_replaces_what_was_noted_before_it_was_created() -> None:
    running, stopped = RunningContainers(), list[str]()
    running.add("a", lambda: stopped.append("by name"))
    running.add("a", lambda: stopped.append("itself"))
    running.close()
    assert stopped == ["itself"]


def test_one_that_cannot_be_stopped_is_tried_again() -> None:
    running, stopped = RunningContainers(), list[str]()
    problems = [EngineError("cannot remove container a")]

    def stop() -> None:
        if problems:
            raise problems.pop()
        stopped.append("a")

    running.add("a", stop)
    running.add("b", lambda: stopped.append("b"))
    with pytest.raises(EngineError, match="cannot remove container a"):
        running.close()
    assert stopped == ["b"]
    running.close()
    assert stopped == ["b", "a"]
