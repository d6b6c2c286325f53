"""Today's date, which ends of support are compared with. A run can pin it, to get the same result next year."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# A stack, as a run of pytest may start another one. Assertions do not have pytest's configuration at hand.
_PINNED: Final[list[date]] = []


def today() -> date:
    """Return the pinned date, or today's (UTC) where none is pinned."""
    return _PINNED[-1] if _PINNED else datetime.now(UTC).date()


def pin_today(day: date) -> Callable[[], None]:
    """Make ``today`` return *day*, until the returned function is called."""
    _PINNED.append(day)
    return lambda: _PINNED.remove(day)


def parse_day(text: str) -> date:
    """Return the date in *text*.

    Raises:
        ValueError: *text* is not a date; the message says why.

    >>> parse_day("2026-11-05")
    datetime.date(2026, 11, 5)
    """
    if not _ISO.fullmatch(text):  # other forms of ISO 8601, such as 20261105, are easy to mistake
        raise ValueError("no date (expected YYYY-MM-DD, such as 2026-11-05)")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"no such day: {error} (expected YYYY-MM-DD, such as 2026-11-05)") from error
