"""Values in messages: quoted, shortened if they are very long, and with control characters made visible."""

from __future__ import annotations

import re
import reprlib
from typing import Final

# Control characters, characters that change the direction of writing, and bytes that are not text.
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_QUOTES: Final = reprlib.Repr()
_QUOTES.maxstring = _QUOTES.maxother = 100


def quoted(value: object) -> str:
    """Return *value* as ``repr`` shows it; leaves out the middle of a text of more than 100 characters.

    >>> quoted("1.2.x"), len(quoted("1" * 10_000))
    ("'1.2.x'", 100)
    """
    return _QUOTES.repr(value)


def visible(text: str) -> str:
    r"""Return *text* in one line, with escapes for characters that control a terminal, as in hostile file names.

    >>> print(visible("/srv/a\x1b[31m\nb\udcff"))
    /srv/a\x1b[31m\nb\xff
    """
    return _UNSEEN.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if "\udc80" <= character <= "\udcff":  # a byte of a name that is not UTF-8, as Python keeps it (PEP 383)
        return f"\\x{ord(character) & 0xFF:02x}"
    return character.encode("unicode_escape").decode("ascii")
