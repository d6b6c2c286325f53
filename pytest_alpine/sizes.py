"""Sizes in bytes as people write them: ``4.2 MB``, ``10 MiB``, ``512 kB``."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Final

from pytest_alpine.errors import InvalidSize

_UNITS: Final = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1000,
    "m": 1000**2,
    "mb": 1000**2,
    "g": 1000**3,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
_SIZE: Final = re.compile(r"(?P<number>\d+(?:_\d+)*(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)", re.ASCII)


def parse_size(size: str | int) -> int:
    """Return *size* in bytes. ``MB`` is a million bytes, as registries count; ``MiB`` is 1,048,576.

    >>> parse_size("4.2 MB"), parse_size("1 KiB"), parse_size(77)
    (4200000, 1024, 77)

    Raises:
        InvalidSize: *size* is negative, or is not a number with a known unit.
    """
    if isinstance(size, int) and not isinstance(size, bool):
        if size < 0:
            raise InvalidSize(f"invalid size: {size!r} (expected 0 or more bytes)")
        return size
    match = _SIZE.fullmatch(size.strip()) if isinstance(size, str) else None
    unit = _UNITS.get(match["unit"].lower()) if match else None
    if match is None or unit is None:
        raise InvalidSize(f"invalid size: {size!r} (expected bytes, or a number with kB, MB, GB, KiB, MiB or GiB)")
    return math.floor(Decimal(match["number"].replace("_", "")) * unit)


def format_size(size: int) -> str:
    """Return *size*, in bytes, with a decimal unit and two digits after the point; below 1 kB, the exact bytes.

    >>> format_size(3490290), format_size(-512)
    ('3.49 MB', '-512 B')
    """
    kilo = _UNITS["kb"]
    if abs(size) < kilo:
        return f"{size} B"
    amount, unit = size / kilo, "kB"
    for larger in ("MB", "GB"):
        if abs(round(amount, 2)) < kilo:  # rounded as it is shown: 999,999 bytes are 1.00 MB, not 1000.00 kB
            break
        amount, unit = amount / kilo, larger
    return f"{amount:.2f} {unit}"
