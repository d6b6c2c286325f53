"""No temporary files are left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.checks.clean.rules.leftovers import leftovers, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

_FOLDERS: Final = ("/tmp", "/var/tmp")  # noqa: S108 - of images


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for path, held in leftovers(snapshot, _FOLDERS):
        hint = f"in the step that creates it: rm -rf {path}"
        yield RULE.finding(path, expected="nothing left", actual=shown(held), hint=hint)


RULE = Rule(
    name="temporary-files",
    reason="what a build left in /tmp is dead weight, and may be in the way of the program or hold its secrets",
    sets=BASE,
    find=_find,
)
