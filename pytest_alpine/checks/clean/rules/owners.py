"""The files of packages belong to users and groups that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.checks.clean.rules.accounts import GROUPS, USERS, ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    users, groups = ids(snapshot, USERS), ids(snapshot, GROUPS)
    known = {"user": {0, *users.values()}, "group": {0, *groups.values()}}
    for path in snapshot.facts.owners.by_path:
        entry = snapshot.entries.get(path)
        if entry is None:
            continue
        for what, number in (("user", entry.uid), ("group", entry.gid)):
            if number not in known[what]:
                name = path.rpartition("/")[2]
                right = groups.get(name) if what == "group" else users.get(name)
                hint = f"{what} {name} is {right}" if right is not None else ""
                where = USERS if what == "user" else GROUPS
                expected, actual = f"a {what} of {where}", f"{what} {number}, which is not there"
                yield RULE.finding(path, expected=expected, actual=actual, hint=hint)


RULE = Rule(
    name="owners",
    reason="a packaged file of an unknown user or group belongs to whoever gets that number next",
    sets=BASE,
    find=_find,
)
