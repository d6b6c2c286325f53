"""Clocks show UTC.

Spec: tzfile(5), and POSIX on TZ.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.errors import FileNotInImage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

_LOCALTIME: Final = "/etc/localtime"
_UTC: Final = re.compile(r":?(?:.*/zoneinfo/)?(?:Etc/)?(?:UTC|UCT|Zulu|Universal)(?:[-+]?0)?", re.IGNORECASE)
# Only version 1 of the format lacks the rule at the end; its one abbreviation stands in the body then.
_UTC_RULE: Final = re.compile(rb"\n(?:UTC|<UTC>)[-+]?0\n\Z")
_LIMIT: Final = 64 << 10


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    zone = snapshot.image.config.env.get("TZ", "")
    if zone and not _UTC.fullmatch(zone):
        yield RULE.finding("ENV TZ", expected="UTC, or not set", actual=zone, hint="set it where the container runs")
    entry = snapshot.rootfs.lstat(_LOCALTIME)
    if entry is None:
        return
    try:
        data = snapshot.rootfs.read(_LOCALTIME, _LIMIT)
    except FileNotInImage:  # a link to nothing: the clock shows UTC
        return
    if _UTC_RULE.search(data) or (data.startswith(b"TZif\0") and b"UTC\0" in data):
        return
    actual = f"a link to {entry.target}" if entry.kind == "symlink" else "another time zone"
    yield RULE.finding(_LOCALTIME, expected="UTC, or no such file", actual=actual, hint="set TZ where it runs")


RULE = Rule(
    name="timezone",
    reason="logs in one time zone can be compared; where another zone is needed, set TZ at run time",
    sets=BASE,
    find=_find,
)
