"""No program runs with the rights of a user or group other than its caller's."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

_BITS: Final = ((stat.S_ISUID, "setuid"), (stat.S_ISGID, "setgid"))


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for path, entry in snapshot.entries.items():
        names = [name for bit, name in _BITS if entry.mode & bit]
        if names and entry.is_file:
            what = " and ".join(names)
            actual = f"{what}, mode {entry.mode:04o}, owner {entry.uid}:{entry.gid}, {snapshot.owner_text(path)}"
            yield RULE.finding(path, expected="no setuid, no setgid", actual=actual, hint=f"chmod a-s {path}")


RULE = Rule(
    name="setuid",
    reason="a flaw in a setuid or setgid program gives others its rights; containers rarely need one",
    sets=BASE,
    find=_find,
)
