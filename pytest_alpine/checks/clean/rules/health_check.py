"""The image says how to find out whether it is healthy.

Spec: HEALTHCHECK of https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.clean.rule import APPLICATION, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    check = snapshot.image.config.healthcheck
    if check is None or check.disabled:
        actual = "none" if check is None else "NONE, which switches it off"
        hint = "HEALTHCHECK CMD wget -q -O /dev/null http://localhost:8080/ || exit 1"
        yield RULE.finding("HEALTHCHECK", expected="a command", actual=actual, hint=hint)


RULE = Rule(
    name="health-check",
    reason="an engine takes a program that hangs for a healthy one, as long as it has not ended",
    sets=APPLICATION,
    find=_find,
)
