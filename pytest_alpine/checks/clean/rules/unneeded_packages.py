"""Every package is in the world file, or needed by one that is.

Spec: apk-world(5), and apk-package(5), "depends" and "install_if".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.apk.needed import needed_packages
from pytest_alpine.checks.clean.rule import APPLICATION, Rule
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    packages = snapshot.facts.packages
    needed = needed_packages(packages, snapshot.facts.world)
    for package in packages.values():
        if package.name not in needed:
            actual = f"version {package.version}, {format_size(package.installed_size)}, which no package needs"
            hint = f"apk add {package.name} asks for it, apk del removes it"
            yield RULE.finding(package.name, expected="needed by /etc/apk/world", actual=actual, hint=hint)


RULE = Rule(
    name="unneeded-packages",
    reason="a package that nothing needs disappears with the next apk command, or stays for no reason",
    sets=APPLICATION,
    find=_find,
)
