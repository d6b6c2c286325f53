"""What commands print, and what they end with."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_alpine.errors import AlpineError

OK: Final = 0
FOUND: Final = 1
"""A check found something, or two images differ."""
ERROR: Final = 2
"""That cannot be told."""


def worst(*codes: int) -> int:
    """Return the exit code of several results: what was found counts more than what cannot be told.

    >>> worst(OK, ERROR), worst(ERROR, FOUND), worst()
    (2, 1, 0)
    """
    return FOUND if FOUND in codes else max(codes, default=OK)


def print_data(data: Any) -> None:  # noqa: ANN401 - any plain value
    """Print *data* as JSON; bytes of names that are no text are escaped surrogates there, as in Python."""
    print(json.dumps(data, indent=2))


def print_blocks(blocks: Iterable[str]) -> None:
    """Print *blocks* of lines, an empty line between two of them."""
    text = "\n\n".join(blocks)
    if text:
        print(text)


def tell_error(error: AlpineError) -> None:
    """Tell *error* in one line, on standard error."""
    print(f"pytest-alpine: {error}", file=sys.stderr)
