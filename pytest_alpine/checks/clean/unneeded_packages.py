"""Every package was asked for, or is needed by one that was.

Spec: apk-world(5), and apk-package(5), "depends" and "install_if".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.clean.rule import APPLICATION, Rule
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_alpine.apk.constraint import Constraint
    from pytest_alpine.apk.package import Packages
    from pytest_alpine.checks.clean.inspection import Inspection
    from pytest_alpine.findings import Finding


def _find(inspection: Inspection) -> Iterator[Finding]:
    packages = inspection.target.packages
    needed = needed_packages(packages, inspection.target.world)
    for package in packages.values():
        if package.name not in needed:
            actual = f"version {package.version}, {format_size(package.installed_size)}, which nothing there needs"
            hint = f"apk add {package.name} asks for it, apk del removes it"
            yield RULE.finding(package.name, expected="needed by /etc/apk/world", actual=actual, hint=hint)


def needed_packages(packages: Packages, world: Iterable[Constraint]) -> set[str]:
    """Return the names of the packages that *world* asks for, those that they need, and those that come with them."""
    needed: set[str] = set()
    pending = list(world)
    while True:
        while pending:
            pending += _providers(packages, pending.pop(), needed)
        # What comes unasked may need more, which may bring yet more.
        for package in packages.values():
            if package.name not in needed and package.install_if and _all_met(packages, package.install_if, needed):
                needed.add(package.name)
                pending += package.depends
        if not pending:
            return needed


def _providers(packages: Packages, wanted: Constraint, needed: set[str]) -> Iterator[Constraint]:
    """Count all who provide *wanted* as needed, and yield what they need in turn."""
    if wanted.conflict:
        return
    for provider in packages.providers(wanted.name):
        if wanted.allows(provider.version, provider.package.checksum) and provider.package.name not in needed:
            needed.add(provider.package.name)
            yield from provider.package.depends


def _all_met(packages: Packages, constraints: Iterable[Constraint], needed: set[str]) -> bool:
    def met(constraint: Constraint) -> bool:
        found = any(
            provider.package.name in needed and constraint.allows(provider.version, provider.package.checksum)
            for provider in packages.providers(constraint.name)
        )
        return found != constraint.conflict

    return all(map(met, constraints))


RULE = Rule(
    name="unneeded-packages",
    reason="a package that nothing asks for goes at the next apk command, or stays for no reason",
    sets=APPLICATION,
    find=_find,
)
