"""apk has finished its work: no package is broken or lacks what it needs, no configuration waits to be merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.apk.constraint import Constraint
    from pytest_alpine.apk.package import Packages
    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

_FLAGS: Final = {"f": "its files", "s": "a script of it", "x": "extended attributes of its files"}
_UNMERGED: Final = ".apk-new"


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    packages = snapshot.facts.packages
    for package in packages.values():
        for flag, what in _FLAGS.items():
            if flag in package.flags:
                actual = f"apk failed with {what}"
                hint = f"apk fix {package.name}"
                yield RULE.finding(package.name, expected="wholly installed", actual=actual, hint=hint)
        for need in package.depends:
            if not packages.satisfy(need):
                expected, actual = f"{need}, which it needs", _there(packages, need)
                yield RULE.finding(package.name, expected=expected, actual=actual, hint="apk fix --depends")
    for wanted in snapshot.facts.world:
        if not packages.satisfy(wanted):
            expected = f"{'absent' if wanted.conflict else 'installed'}, as /etc/apk/world says"
            actual = _there(packages, wanted)
            yield RULE.finding(str(wanted), expected=expected, actual=actual, hint="apk fix, or apk del")
    for path in snapshot.entries:
        if path.endswith(_UNMERGED):
            expected, hint = "merged configuration", f"merge it into {path.removesuffix(_UNMERGED)}, or delete it"
            yield RULE.finding(path, expected=expected, actual="a package's newer one beside it", hint=hint)


def _there(packages: Packages, wanted: Constraint) -> str:
    """Return which packages have or provide the name in *wanted*."""
    return ", ".join(str(provider.package) for provider in packages.providers(wanted.name)) or "nothing"


RULE = Rule(
    name="apk-state",
    reason="a half-done installation works until the next apk command, which may repair or remove things",
    sets=BASE,
    find=_find,
)
