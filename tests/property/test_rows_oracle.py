"""apk as the judge of rows in any order: it reads a database and writes it anew, in its own order."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from pytest_alpine.apk.installed import parse_installed
from tests.property.oracle import SHELLS, run_in_alpine

if TYPE_CHECKING:
    from pytest_alpine.apk.package import Package

CASES: Final = 80
IDENTITY: Final = "Q1SLkS9hBidUbPwwrw+XR0Whv3ww8="
DIGESTS: Final = (IDENTITY, "Q1hRwbZz5nSiBMrmlrL8Qdu2Hhb8Y=")
HEAD: Final = f"C:{IDENTITY}\nP:zz\nV:1\nA:noarch\nS:1\nI:1\nU:url\nL:MIT\n"
RESTORE: Final = "rm -rf /lib/apk/db && cp -r /kept /lib/apk/db && cp /world /etc/apk/world && echo zz >>/etc/apk/world"
# A virtual package makes apk write the database.
REWRITE: Final = (
    "apk add --no-network --no-scripts -q -t .written 2>&1 && sed -n '/^P:zz$/,/^$/p' /lib/apk/db/installed"
)

pytestmark = [pytest.mark.official, pytest.mark.docker]


def rows(random: Random) -> str:
    """Return rows, in an order that apk takes: it loses files where a directory is opened twice."""
    found, files, later = ["F:opt/a"], 0, ["F:opt/b", "F:opt/c", "r:other", "T:other"]
    for _ in range(random.randrange(12)):
        acl = f"{random.randrange(3)}:{random.randrange(3)}:{random.choice(('600', '755', '4711'))}"
        words = [f"M:{acl}", f"R:{random.choice('fgh')}", f"R:{random.choice('fgh')}", *later[:1], *later[2:3]]
        if files:
            words += [f"a:{acl}", f"Z:{random.choice(DIGESTS)}"] * 2
        found.append(random.choice(words))
        later = [word for word in later if word != found[-1]]
        files += found[-1].startswith("R:")
    return "".join(f"{line}\n" for line in found)


def script(cases: list[str]) -> str:
    steps = ["cp -r /lib/apk/db /kept && cp /etc/apk/world /world"]
    for case in cases:
        steps += [RESTORE, f"cat >>/lib/apk/db/installed <<'END'\n{case}\nEND", "echo ===", REWRITE]
    return "\n".join(steps)


def recorded(package: Package) -> tuple[set[object], set[object]]:
    return set(package.files), set(package.directories)


def test_rows_in_any_order_are_read_as_apk_reads_them() -> None:
    random = Random(20261130)
    texts = [HEAD + rows(random) for _ in range(CASES)]
    answers = [
        answer
        for output in run_in_alpine([script(texts[number::SHELLS]) for number in range(SHELLS)])
        for answer in output.split("===\n")[1:]
    ]
    asked = [text for number in range(SHELLS) for text in texts[number::SHELLS]]
    assert len(answers) == len(asked) == CASES
    for text, answer in zip(asked, answers, strict=True):
        (ours,) = parse_installed(text.encode(), "ours").values()
        (theirs,) = parse_installed(answer.encode(), "apk's").values()
        assert recorded(ours) == recorded(theirs), f"{text}\n{answer}"
