"""What a process has started, by parents and sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_alpine.engine.bubblewrap.procfs import ProcessState, descendants, parse_state


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("12 (sh) S 3 12 12 0 -1", ProcessState(pid=12, state="S", parent=3, session=12)),
        ("12 (a) b) (c) Z 3 7 9 0", ProcessState(pid=12, state="Z", parent=3, session=9)),
        ("", None),
        ("12 (sh) S 3", None),
        ("x (sh) S 3 12 12", None),
    ],
    ids=["plain", "brackets-in-the-name", "empty", "cut", "no-number"],
)
def test_a_line_of_the_kernel(line: str, expected: ProcessState | None) -> None:
    assert parse_state(line) == expected


def test_this_very_process() -> None:
    state = parse_state(Path("/proc/self/stat").read_text())
    assert state is not None
    assert state.state == "R"


def process(pid: int, parent: int, session: int, state: str = "S") -> ProcessState:
    return ProcessState(pid=pid, state=state, parent=parent, session=session)


def test_children_their_children_and_their_sessions() -> None:
    processes = [
        process(1, 0, 1),
        process(5, 0, 5),
        process(6, 5, 5),
        process(7, 6, 7),  # a session of its own
        process(8, 1, 7),  # whose parent ended
        process(9, 1, 5),  # left behind in the session of the first
        process(10, 6, 5, "Z"),
        process(11, 1, 11),
    ]
    assert descendants(5, processes) == {6, 7, 8, 9}
    assert descendants(11, processes) == set()
