"""The build has left no virtual packages behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

_DESCRIPTION: Final = "virtual meta package"
"""The description of the packages that ``apk add --virtual`` creates."""
# Docker's official images use virtual packages of such names to keep the libraries that their programs need.
_RUNTIME: Final = re.compile(r"\.[\w.+-]*(?:run|runtime)-?deps?")


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    packages = snapshot.facts.packages
    for package in packages.values():
        virtual = package.name.startswith(".") or package.description == _DESCRIPTION
        if virtual and not _RUNTIME.fullmatch(package.name):
            needs = " ".join(map(str, package.depends)) or "nothing"
            hint = f"in the step that installs it: apk del {package.name}"
            actual = f"version {package.version}, which needs {needs}"
            yield RULE.finding(package.name, expected="not installed", actual=actual, hint=hint)
    for constraint in snapshot.facts.world:
        name = constraint.name
        if name.startswith(".") and name not in packages and not _RUNTIME.fullmatch(name):
            yield RULE.finding(name, expected="not in /etc/apk/world", actual="asked for, not installed")


RULE = Rule(
    name="virtual-packages",
    reason="a virtual package such as .build-deps keeps the tools of the build in the image",
    sets=BASE,
    find=_find,
)
