"""``assert_installed``: the installed packages meet constraints, written as in apk's world file.

Spec: apk-world(5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.apk.constraint import Constraint
from pytest_alpine.apk.needed import needed_packages
from pytest_alpine.checks.findings import Finding, Target, require_none

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_alpine.apk.package import Provider


def assert_installed(target: Target, *constraints: str, exactly: bool = False) -> None:
    """Fail unless *target* meets every one of *constraints*, written as in apk's world file.

    Examples: ``musl``, ``curl>=8.5``, ``openssl~3.3``, ``so:libz.so.1``; ``!bash`` means that it must be absent.
    As for apk, a name that another package provides counts too. Follows apk-world(5).

    Args:
        target: an image or a running container.
        constraints: at least one.
        exactly: whether nothing else may be installed: only what *constraints* name, what those packages depend on,
            and what apk adds to them by itself (``install_if``).

    Raises:
        AssertionError: a constraint is not met, or with *exactly* there are more packages; the message tells each, and
            which names are similar.
        InvalidConstraint: a constraint cannot be read.
        DatabaseError: there is no package database, or a broken one.
    """
    __tracebackhide__ = True
    require_none(find_installed(target, *constraints, exactly=exactly), target)


def find_installed(target: Target, *constraints: str, exactly: bool = False) -> tuple[Finding, ...]:
    """Return a finding for each of *constraints* that *target* does not meet; see ``assert_installed``."""
    if not constraints:
        raise TypeError("no constraint is given (expected at least one, such as 'musl')")
    wanted = [Constraint.parse(text) for text in constraints]
    found = [_unmet(target, constraint) for constraint in wanted]
    more = _others(target, wanted) if exactly else ()
    return (*(finding for finding in found if finding is not None), *more)


def _others(target: Target, wanted: Sequence[Constraint]) -> Iterator[Finding]:
    """Yield a finding for each package that *wanted* and its dependencies do not account for."""
    needed = needed_packages(target.packages, wanted)
    for package in target.packages.values():
        if package.name not in needed:
            actual = f"version {package.version}"
            hint = "none of the named packages needs it"
            expected = "not installed"
            yield Finding(check="installed", subject=package.name, expected=expected, actual=actual, hint=hint)


def _unmet(target: Target, constraint: Constraint) -> Finding | None:
    packages = target.packages
    found = packages.satisfying(constraint)
    if (found is None) == constraint.conflict:
        return None
    if found is not None:
        actual = f"{found.package.name} {found.package.version}"
        hint = f"which provides {found.provide}" if found.provide else ""
        return Finding(check="installed", subject=str(constraint), expected="absent", actual=actual, hint=hint)
    others = packages.providers(constraint.name)
    if others:
        actual = ", ".join(_versioned(provider) for provider in others)
        return Finding(check="installed", subject=str(constraint), expected="installed", actual=actual)
    nearest = packages.nearest(constraint.name)
    hint = f"nearest: {', '.join(nearest)}" if nearest else ""
    return Finding(check="installed", subject=str(constraint), expected="installed", actual="nothing", hint=hint)


def _versioned(provider: Provider) -> str:
    return f"{provider.package.name} {provider.version or provider.package.version}"
