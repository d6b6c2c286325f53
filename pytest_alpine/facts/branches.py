"""Alpine's branches: the days of their release and of the end of their support.

Source: https://alpinelinux.org/releases/, as of 2026-11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """One of Alpine's stable branches."""

    branch: str
    """Such as ``3.20``."""
    released: date
    end_of_life: date
    """The last day of support."""


# Python does not convert a number of more than 4,300 digits.
_NUMBER: Final = re.compile(r"v?([0-9]{1,9})\.([0-9]{1,9})(?![0-9])")
_NEWEST: Final = (1 << 30, 0)

_TABLE: Final = """
3.6  2017-05-24 2019-05-01
3.7  2017-11-30 2019-11-01
3.8  2018-06-26 2020-05-01
3.9  2019-01-29 2020-11-01
3.10 2019-06-19 2021-05-01
3.11 2019-12-19 2021-11-01
3.12 2020-05-29 2022-05-01
3.13 2021-01-14 2022-11-01
3.14 2021-06-15 2023-05-01
3.15 2021-11-24 2023-11-01
3.16 2022-05-23 2024-05-23
3.17 2022-11-22 2024-11-22
3.18 2023-05-09 2025-05-09
3.19 2023-12-07 2025-11-01
3.20 2024-05-22 2026-04-01
3.21 2024-12-05 2026-11-01
3.22 2025-05-30 2027-05-01
3.23 2025-12-04 2027-11-01
3.24 2026-06-09 2028-06-01
"""


def _branch(line: str) -> Branch:
    name, released, end = line.split()
    return Branch(branch=name, released=date.fromisoformat(released), end_of_life=date.fromisoformat(end))


BRANCHES: Final = tuple(map(_branch, _TABLE.split("\n")[1:-1]))
"""The known branches, oldest first."""


def end_of_life(branch: str) -> date | None:
    """Return the last day of support of *branch*; None for edge, and for a branch that is newer than the table.

    A branch that is older than the table gets the last day of the first branch in the table.
    """
    for known in BRANCHES:
        if known.branch == branch:
            return known.end_of_life
    older = branch_order(branch) < branch_order(BRANCHES[0].branch)
    return BRANCHES[0].end_of_life if older else None


def branch_order(branch: str | None) -> tuple[int, int]:
    """Return a sort key for branches, oldest first.

    Args:
        branch: its number, as in ``3.20`` or ``v3.20``; more may follow, as in a tag. ``edge``, and any other text
            without a number, is the newest.

    >>> sorted(["edge", "v3.9", "3.20.1"], key=branch_order)
    ['v3.9', '3.20.1', 'edge']
    """
    numbers = _NUMBER.match(branch or "")
    return (int(numbers[1]), int(numbers[2])) if numbers is not None else _NEWEST
