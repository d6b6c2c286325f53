"""Versions and constraints against the real apk of edge, which is apk-tools 2.14.

apk 3 orders a few versions differently; those are left out of what is generated: numbers with leading zeros behind
the first dot, commit hashes (``~``, which 2.14 does not know), numbers of 18 digits or more, and texts that are no
versions. Of constraints ``~`` is left out, which 2.14 also takes the other way round, and operators on a name that
is provided without a version: 2.14 lets it meet none of them, apk 3 all.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import pytest

from pytest_alpine.apk.database import read_installed
from pytest_alpine.apk.version import Version
from tests.property.oracle import SHELLS, run_in_alpine, tarball
from tests.property.versions import pairs
from tests.support.mirror import opened

if TYPE_CHECKING:
    from pytest_alpine.apk.package import Packages

PAIRS: Final = 5_000
CONSTRAINTS: Final = 400
SEED: Final = 20240923

pytestmark = [pytest.mark.docker, pytest.mark.official]


def judged(lines: list[str], command: str) -> list[str]:
    """Return what *command*, a shell line over ``$a`` and ``$b``, prints for each of *lines*, one line each."""
    portions = [lines[number::SHELLS] for number in range(SHELLS)]
    scripts = [f"while read -r a b; do {command}; done <<'END'\n" + "\n".join(part) + "\nEND\n" for part in portions]
    printed = [output.splitlines() for output in run_in_alpine(scripts)]
    assert [len(output) for output in printed] == [len(part) for part in portions]
    verdicts = [""] * len(lines)
    for number, output in enumerate(printed):
        verdicts[number::SHELLS] = output
    return verdicts


def order(left: str, right: str) -> str:
    less, equal = Version(left) < Version(right), Version(left) == Version(right)
    return "<" if less else "=" if equal else ">"


def test_versions_are_ordered_as_apk_orders_them() -> None:
    generated = pairs(PAIRS, SEED)
    verdicts = judged([f"{left} {right}" for left, right in generated], 'apk version -t "$a" "$b"')
    wrong = [
        f"{left} {verdict} {right}, not {order(left, right)}"
        for (left, right), verdict in zip(generated, verdicts, strict=True)
        if order(left, right) != verdict
    ]
    assert not wrong
    # Nearly equal pairs are worth comparing only if each verdict is really met.
    assert all(verdicts.count(sign) > PAIRS / 20 for sign in "<=>")


def edge() -> Packages:
    """Return what edge has installed, which is what the container has."""
    return read_installed(opened(tarball()))


def constraints(packages: Packages, count: int) -> list[str]:
    """Return constraints on what is installed, provided, or lacking."""
    chance = random.Random(SEED)
    named = [(package.name, str(package.version)) for package in packages.values()]
    provided = [(provide.name, provide.operand) for package in packages.values() for provide in package.provides]
    lacking = [("bash", "5.2"), ("cmd:bash", "5.2"), ("so:libnone.so.1", "1")]
    found = []
    for _ in range(count):
        name, version = chance.choice([*named, *provided, *lacking])
        near = chance.choice([version, *pairs(1, chance.randrange(1000))[0]])
        conflict = chance.choice(["", "", "!"])
        operator = chance.choice(["", "=", "<", ">", "<=", ">=", "<>="]) if version else ""
        found.append(f"{conflict}{name}{operator}{near if operator else ''}")
    return found


def test_constraints_are_met_as_apk_meets_them() -> None:
    packages = edge()
    generated = constraints(packages, CONSTRAINTS)
    verdicts = judged(generated, 'apk info -e "$a" > /dev/null && echo met || echo unmet')
    wrong = [
        f"{text}: {verdict}"
        for text, verdict in zip(generated, verdicts, strict=True)
        if packages.satisfy(text) != (verdict == "met")
    ]
    assert not wrong
    assert min(verdicts.count("met"), verdicts.count("unmet")) > CONSTRAINTS / 10
