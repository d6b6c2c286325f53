"""apk trusts the keys that a package installed, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

_FOLDERS: Final = ("/etc/apk/keys", "/lib/apk/keys", "/usr/lib/apk/keys")


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for entry in snapshot.below(*_FOLDERS):
        if entry.kind != "directory" and snapshot.owner(entry.path) is None:
            hint = "remove it in the step that needs it, where it is not meant to stay"
            yield RULE.finding(entry.path, expected="a key of a package", actual="a key of no package", hint=hint)


RULE = Rule(
    name="apk-keys",
    reason="apk installs whatever is signed with one of these keys, as root",
    sets=BASE,
    find=_find,
)
