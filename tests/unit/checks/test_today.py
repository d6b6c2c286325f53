from __future__ import annotations

from datetime import date

import pytest

from pytest_alpine.checks.today import parse_day, pin_today, today


def test_a_pinned_day_is_used_until_it_is_reset() -> None:
    outer = pin_today(date(2001, 1, 1))
    inner = pin_today(date(2002, 2, 2))
    assert today() == date(2002, 2, 2)
    inner()
    assert today() == date(2001, 1, 1)
    outer()
    assert today() > date(2026, 1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tomorrow", r"no date \(expected YYYY-MM-DD"),
        ("2026-W45-4", r"no date \(expected YYYY-MM-DD"),
        ("20261105", r"no date \(expected YYYY-MM-DD"),
        ("2026-13-01", r"no such day: month .*\(expected YYYY-MM-DD"),
    ],
)
def test_what_is_no_day(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_day(text)
