"""Nothing is writable by everybody but the folders of temporary files."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from pytest_alpine.checks.clean.rule import BASE, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for path, entry in snapshot.entries.items():
        if not entry.mode & stat.S_IWOTH or entry.kind not in {"file", "directory", "fifo"}:
            continue
        # In a sticky directory, users cannot replace each other's files.
        if entry.kind == "directory" and entry.mode & stat.S_ISVTX:
            continue
        sticky = " (or sticky)" if entry.kind == "directory" else ""
        expected = f"not writable by everybody{sticky}"
        yield RULE.finding(path, expected=expected, actual=f"a {entry.kind} of mode {entry.mode:04o}")


RULE = Rule(
    name="world-writable",
    reason="where everybody may write, any process can change what others run or read",
    sets=BASE,
    find=_find,
)
