"""The users and groups of an image, as ``/etc/passwd``, ``/etc/group`` and ``/etc/shadow`` list them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.clean.inspection import Inspection

USERS: Final = "/etc/passwd"
GROUPS: Final = "/etc/group"


def rows(inspection: Inspection, path: str) -> Iterator[list[str]]:
    """Yield the fields of each line of the file at *path*, if it is there; comments and blank lines have none."""
    for line in (inspection.text(path) or "").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.split(":")


def ids(inspection: Inspection, path: str) -> dict[str, int]:
    """Return the numbers of the users or groups in the file at *path*, by name; lines without a number are left out."""
    number = 2
    return {
        fields[0]: int(fields[number])
        for fields in rows(inspection, path)
        if len(fields) > number and fields[number].isascii() and fields[number].isdigit()
    }
