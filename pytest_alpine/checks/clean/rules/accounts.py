"""The users and groups of an image, as ``/etc/passwd``, ``/etc/group`` and ``/etc/shadow`` list them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.facts.users import account_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.snapshot import Snapshot

USERS: Final = "/etc/passwd"
GROUPS: Final = "/etc/group"
NUMBER: Final = re.compile(r"[0-9]{1,20}")
"""The number of a user or group; a longer one is nobody's."""
_PLACE: Final = 2


def rows(snapshot: Snapshot, path: str) -> Iterator[list[str]]:
    """Return the fields of each line of the file at *path*, if it is there; comments and blank lines have none."""
    return account_rows(snapshot.text(path) or "")


def ids(snapshot: Snapshot, path: str) -> dict[str, int]:
    """Return the numbers of the users or groups in the file at *path*, by name; lines without a number are left out."""
    return {
        fields[0]: int(fields[_PLACE])
        for fields in rows(snapshot, path)
        if len(fields) > _PLACE and NUMBER.fullmatch(fields[_PLACE])
    }
