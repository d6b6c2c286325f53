"""The branch of the image still gets fixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.clean.rule import APPLICATION, Rule
from pytest_alpine.facts.branches import BRANCHES, end_of_life

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    branch = snapshot.branch
    end = end_of_life(branch) if branch else None
    if branch is None or end is None or snapshot.today <= end:
        return
    living = [each.branch for each in BRANCHES if each.released <= snapshot.today <= each.end_of_life]
    hint = f"supported on {snapshot.today}: {', '.join(living)}" if living else ""
    expected = f"a branch that is supported on {snapshot.today}"
    yield RULE.finding(branch, expected=expected, actual=f"{branch}, which ended on {end}", hint=hint)


RULE = Rule(
    name="supported-branch",
    reason="a branch at its end of life gets no fixes, not even for security",
    sets=APPLICATION,
    find=_find,
)
