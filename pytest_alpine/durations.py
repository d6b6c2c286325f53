"""Lengths of time as people write them: ``30d``, ``12h``, ``90m``."""

from __future__ import annotations

import re
from typing import Final

from pytest_alpine.errors import InvalidDuration

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION: Final = re.compile(r"(?P<number>\d+)\s*(?P<unit>[smhdw])", re.ASCII)


def parse_duration(text: str) -> int:
    """Return *text* in seconds.

    >>> parse_duration("30d"), parse_duration("90m"), parse_duration("0s")
    (2592000, 5400, 0)

    Raises:
        InvalidDuration: *text* is no whole number with a known unit.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise InvalidDuration(f"invalid duration: {text!r} (expected a number with s, m, h, d or w, such as 30d)")
    return int(match["number"]) * _UNITS[match["unit"]]


def format_duration(seconds: float) -> str:
    """Return *seconds* in the largest unit of which they are at least two, for people.

    >>> format_duration(7300), format_duration(119), format_duration(86400 * 40)
    ('2 hours', '119 seconds', '5 weeks')
    """
    for name, unit in (("weeks", "w"), ("days", "d"), ("hours", "h"), ("minutes", "m")):
        if seconds >= 2 * _UNITS[unit]:
            return f"{int(seconds // _UNITS[unit])} {name}"
    count = max(0, int(seconds))
    return f"{count} second{'s' * (count != 1)}"
