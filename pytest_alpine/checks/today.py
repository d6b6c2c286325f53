"""The day that dates are compared with: the real one, unless a run that must be reproducible says otherwise."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# A stack, as a run of pytest may hold another; the assertions that ask take no configuration of pytest.
_PINNED: Final[list[date]] = []


def today() -> date:
    """Return the pinned day, else today's (UTC)."""
    return _PINNED[-1] if _PINNED else datetime.now(UTC).date()


def pin_today(day: date) -> Callable[[], None]:
    """Make ``today`` return *day* until the function that is returned is called."""
    _PINNED.append(day)
    return lambda: _PINNED.remove(day)


def parse_day(text: str) -> date:
    """Return the day that *text* writes.

    Raises:
        ValueError: it writes none; the message says what is wrong.

    >>> parse_day("2026-11-05")
    datetime.date(2026, 11, 5)
    """
    if not _ISO.fullmatch(text):  # ISO 8601 has forms that are read as one and meant as another, such as 20261105
        raise ValueError("no date (expected YYYY-MM-DD, such as 2026-11-05)")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"no such day: {error} (expected YYYY-MM-DD, such as 2026-11-05)") from error
