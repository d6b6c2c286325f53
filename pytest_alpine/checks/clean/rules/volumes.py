"""No volume hides what the kernel shows."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

_KERNEL: Final = ("/proc", "/sys", "/dev")


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for volume in snapshot.image.config.volumes:
        place = posixpath.normpath(f"/{volume}").replace("//", "/")
        if place == "/" or any(f"{place}/".startswith(f"{top}/") for top in _KERNEL):
            expected = "a folder of the image's own"
            yield RULE.finding(f"VOLUME {volume}", expected=expected, actual="one that the kernel and engines fill")


RULE = Rule(
    name="volumes",
    reason="a volume there hides the kernel's files from every program, or keeps the container from starting",
    sets=BASE,
    find=_find,
)
