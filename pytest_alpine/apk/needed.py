"""The packages that the world file, or another needed package, asks for.

Spec: apk-world(5), and apk-package(5), "depends" and "install_if".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_alpine.apk.constraint import Constraint
    from pytest_alpine.apk.package import Package, Packages


def needed_packages(packages: Packages, world: Iterable[Constraint]) -> set[str]:
    """Return the names of the packages in *world*, of their dependencies, and of those that ``install_if`` adds."""
    needed: set[str] = set()
    wanted, bring = list(world), _bring(packages)
    unasked = [package for package in packages.values() if package.install_if]
    while wanted or unasked:
        if wanted:
            found = _providers(packages, wanted.pop(), needed)
        else:
            # A package that apk adds by itself (install_if) may need others, which may add yet more.
            package = unasked.pop()
            found = [package] if package.name not in needed and _all_met(packages, package.install_if, needed) else []
        for each in found:
            needed.add(each.name)
            wanted += each.depends
            for name in (each.name, *(provide.name for provide in each.provides)):
                unasked += bring.get(name, ())
    return needed


def _bring(packages: Packages) -> Mapping[str, list[Package]]:
    """Return, for each name, the packages whose ``install_if`` contains it."""
    found: dict[str, list[Package]] = {}
    for package in packages.values():
        for constraint in package.install_if:
            found.setdefault(constraint.name, []).append(package)
    return found


def _providers(packages: Packages, wanted: Constraint, needed: set[str]) -> list[Package]:
    """Return the packages that provide *wanted* and are not in *needed* yet."""
    if wanted.conflict:
        return []
    providers = (
        provider.package
        for provider in packages.providers(wanted.name)
        if wanted.allows(provider.version, provider.package.checksum)
    )
    return [package for package in dict.fromkeys(providers) if package.name not in needed]


def _all_met(packages: Packages, constraints: Iterable[Constraint], needed: set[str]) -> bool:
    def met(constraint: Constraint) -> bool:
        found = any(
            provider.package.name in needed and constraint.allows(provider.version, provider.package.checksum)
            for provider in packages.providers(constraint.name)
        )
        return found != constraint.conflict

    return all(map(met, constraints))
