"""Every user and group has a name and a number of its own.

Spec: passwd(5), group(5)
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.checks.clean.rules.accounts import GROUPS, NUMBER, USERS, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

_NUMBER: Final = 2


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for path, kind in ((USERS, "user"), (GROUPS, "group")):
        accounts = [(row[0], int(row[_NUMBER])) for row in rows(snapshot, path) if _is_account(row)]
        names = Counter(name for name, _ in accounts)
        for name, count in names.items():
            if count > 1:
                yield RULE.finding(f"{path}:{name}", expected=f"one {kind} of this name", actual=f"{count}")
        first: dict[int, str] = {}
        for name, number in accounts:
            other = first.setdefault(number, name)
            if other != name:
                actual = f"{number}, which is {other}'s" + (": a second root" if kind == "user" and not number else "")
                yield RULE.finding(f"{path}:{name}", expected="a number of its own", actual=actual)


def _is_account(row: list[str]) -> bool:
    return len(row) > _NUMBER and NUMBER.fullmatch(row[_NUMBER]) is not None


RULE = Rule(
    name="duplicate-accounts",
    reason="users of one number have each other's rights, whatever their names are; of one name, only the first counts",
    sets=BASE,
    find=_find,
)
