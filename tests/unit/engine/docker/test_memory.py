"""The memory of a container, as its control group and as engines tell it."""

from __future__ import annotations

import pytest

from pytest_alpine.engine.docker.memory import memory_in_stats, parse_memory


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5000\ncache 2000\ninactive_file 700\ntotal_inactive_file 1000\n", 4000),
        ("5000\nanon 2000\ninactive_file 700\n", 4300),
        ("5000\n", 5000),
        ("", None),
        ("cat: no such file\n", None),
    ],
    ids=["cgroup-v1", "cgroup-v2", "total-only", "nothing", "complaint"],
)
def test_memory(text: str, expected: int | None) -> None:
    assert parse_memory(text) == expected


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        ({"usage": 5000, "stats": {"total_inactive_file": 1000}}, 4000),
        ({"usage": 5000, "stats": {"inactive_file": 700}}, 4300),
        ({}, None),
    ],
    ids=["cgroup-v1", "cgroup-v2", "not-measured"],
)
def test_memory_of_engines(stats: dict[str, object], expected: int | None) -> None:
    assert memory_in_stats(stats) == expected
