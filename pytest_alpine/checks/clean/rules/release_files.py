"""The release files exist and name one release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.facts.release import ALPINE_RELEASE, OS_RELEASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    release = snapshot.release
    if release is None:
        hint = "apk fix alpine-release"
        yield RULE.finding(OS_RELEASE[0], expected="a release file", actual="nothing there", hint=hint)
        return
    if release.id != "alpine" or release.version is None or release.version == release.version_id:
        return
    expected = f"{release.version_id or 'a version'}, the VERSION_ID of os-release"
    yield RULE.finding(ALPINE_RELEASE, expected=expected, actual=release.version)


RULE = Rule(
    name="release-files",
    reason="scripts read one release file and scanners the other: both must exist and agree",
    sets=BASE,
    find=_find,
)
