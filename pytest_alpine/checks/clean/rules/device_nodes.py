"""No device nodes are in the image: the engine makes those that a container gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.clean.rule import BASE, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for path, entry in snapshot.entries.items():
        if entry.kind in {"character device", "block device"}:
            actual = f"a {entry.kind} of mode {entry.mode:04o}"
            yield RULE.finding(path, expected="no device", actual=actual, hint="engines make /dev anew")


RULE = Rule(
    name="device-nodes",
    reason="only root can unpack a device node, and it bypasses the engine's rules for devices",
    sets=BASE,
    find=_find,
)
