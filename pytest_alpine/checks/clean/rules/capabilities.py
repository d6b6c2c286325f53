"""No program gets rights of root by file capabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.clean.rule import BASE, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for path, entry in snapshot.entries.items():
        if entry.capabilities:
            actual = f"{entry.capabilities}, mode {entry.mode:04o}, {snapshot.owner_text(path)}"
            yield RULE.finding(path, expected="no file capabilities", actual=actual, hint=f"setcap -r {path}")


RULE = Rule(
    name="capabilities",
    reason="a program with file capabilities lends its callers rights of root, and fails where those are dropped",
    sets=BASE,
    find=_find,
)
