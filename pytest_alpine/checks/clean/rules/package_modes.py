"""The files of packages have the owner and the permissions that they were installed with.

Spec: apk-audit(8), ``--check-permissions``. Directories and configuration are not checked, as they may be changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.checks.clean.rules.protected import protected_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    protected = protected_paths(snapshot)
    for package, file, path in snapshot.facts.owners.files:
        entry = snapshot.entries.get(path)
        # The mode of a link means nothing, and the database does not say which entries are links.
        if entry is None or not entry.is_file or protected.covers(path, entry):
            continue
        expected, actual = (file.mode, file.uid, file.gid), (entry.mode, entry.uid, entry.gid)
        if expected != actual:
            hint = f"apk fix {package.name} restores it"
            yield RULE.finding(path, expected=_shown(*expected), actual=_shown(*actual), hint=hint)


def _shown(mode: int, uid: int, gid: int) -> str:
    return f"mode {mode:04o}, owner {uid}:{gid}"


RULE = Rule(
    name="package-modes",
    reason="programs are safe with the permissions that their package sets",
    sets=BASE,
    find=_find,
)
