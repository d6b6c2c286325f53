"""How values stand in messages: quoted, and shortened where they are very long."""

from __future__ import annotations

import reprlib
from typing import Final

_QUOTES: Final = reprlib.Repr()
_QUOTES.maxstring = _QUOTES.maxother = 100


def quoted(value: object) -> str:
    """Return *value* as ``!r`` shows it, the middle left out where it is longer than a line.

    >>> quoted("1.2.x"), len(quoted("1" * 10_000))
    ("'1.2.x'", 100)
    """
    return _QUOTES.repr(value)
