"""apk has left no indexes and no packages behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for entry in snapshot.below("/var/cache/apk", "/etc/apk/cache"):
        if entry.kind != "directory":
            actual = format_size(entry.size) if entry.is_file else f"a {entry.kind}"
            yield RULE.finding(entry.path, expected="no file", actual=actual, hint="install with apk add --no-cache")


RULE = Rule(
    name="apk-cache",
    reason="indexes and packages that apk keeps are dead weight, and stale when the image is used",
    sets=BASE,
    find=_find,
)
