from __future__ import annotations

import pytest

from pytest_alpine import InvalidDuration
from pytest_alpine.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 2_592_000), ("12h", 43_200), ("90m", 5400), ("45 s", 45), (" 2W ", 1_209_600), ("0s", 0)],
)
def test_parse(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5h", "1d12h", "30 days", "٣d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidDuration) as caught:
        parse_duration(text)
    assert str(caught.value) == (f"invalid duration: {text!r} (expected a number with s, m, h, d or w, such as 30d)")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 seconds"),
        (1.9, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (86_400 * 2, "2 days"),
        (86_400 * 15, "2 weeks"),
    ],
)
def test_format(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
