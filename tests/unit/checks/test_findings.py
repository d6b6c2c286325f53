from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import Finding, assert_clean, find_clean
from pytest_alpine.checks.findings import require_none
from tests.support.alpine import GOOD, built

if TYPE_CHECKING:
    from pathlib import Path


def finding(subject: str) -> Finding:
    return Finding(check="odd", subject=subject, expected="nothing", actual="something")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("/srv/\udcff", "/srv/\\xff"),
        ("/srv/\n\x1b[2J", "/srv/\\n\\x1b[2J"),
        ("/srv/\u202e", "/srv/\\u202e"),
        ("/srv/caf\xe9 \u2603", "/srv/caf\xe9 \u2603"),
    ],
    ids=["no-utf-8", "control", "direction", "letters"],
)
def test_a_finding_can_be_shown_anywhere(raw: str, shown: str) -> None:
    found = Finding(check="odd", subject=raw, expected=raw, actual=raw, hint=raw)
    assert {found.subject, found.expected, found.actual, found.hint} == {shown}
    assert str(found) == f"{shown}: expected {shown}, found {shown} ({shown})"
    assert found.subject.encode()


def test_the_exception_that_a_message_offers_allows_the_finding(tmp_path: Path) -> None:
    image = built(tmp_path, GOOD | {"tmp/[a]*\udcff\n": "1"})
    with pytest.raises(AssertionError) as caught:
        assert_clean(image)
    offer = str(caught.value).splitlines()[-2]
    prefix = "if this is intended, allow it: except_="
    assert offer.startswith(prefix)
    assert [found.subject for found in find_clean(image)] == ["/tmp/[a]*\\xff\\n"]
    assert_clean(image, except_=eval(offer.removeprefix(prefix)))


def test_the_first_line_is_the_first_problem_and_the_last_names_the_image() -> None:
    with pytest.raises(AssertionError) as caught:
        require_none([finding(name) for name in "abc"], "an image", most=2)
    assert str(caught.value).splitlines() == [
        "a: expected nothing, found something",
        "b: expected nothing, found something",
        "and 1 more of the kind (find_odd returns all)",
        "in an image",
    ]
    require_none([], "an image")
