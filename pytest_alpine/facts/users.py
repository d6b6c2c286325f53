"""Users of processes in containers: the ids that ``USER`` and ``--user`` stand for, as engines read them.

Specs: https://github.com/opencontainers/image-spec/blob/main/config.md, "User"; passwd(5), group(5)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGEST: Final = (1 << 31) - 1
_DIGITS: Final = 20


class UnknownUserError(EngineError):
    """There is no such user or group in the container."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The ids and the home directory of a process."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    """Its supplementary groups."""
    home: str = "/"


def find_identity(user: str, passwd: str, group: str) -> Identity:
    """Return the identity that *user* stands for.

    Args:
        user: a name or a number, and if wanted a colon and a group; an empty text means root.
        passwd: the text of ``/etc/passwd``.
        group: the text of ``/etc/group``.

    Raises:
        UnknownUserError: no user or group has the name, or the number is too large for an id.
    """
    name, _, wanted = user.partition(":")
    name = name or "0"
    row = _row(name, passwd, number=2, fields=6)
    if row is None and not _is_id(name):
        raise UnknownUserError(f"there is no user {name!r} in /etc/passwd (expected a user in this file, or a number)")
    uid = int(row[2]) if row else int(name)
    home = row[5] if row and row[5] else "/"
    if wanted:
        found = _row(wanted, group, number=2, fields=3)
        if found is None and not _is_id(wanted):
            raise UnknownUserError(
                f"there is no group {wanted!r} in /etc/group (expected a group in this file, or a number)"
            )
        return Identity(uid=uid, gid=int(found[2]) if found else int(wanted), home=home)
    if row is None:
        return Identity(uid=uid, home=home)
    groups = tuple(int(line[2]) for line in _rows(group, fields=4) if row[0] in line[3].split(",") and _is_id(line[2]))
    return Identity(uid=uid, gid=int(row[3]) if _is_id(row[3]) else 0, groups=groups, home=home)


def id_names(text: str) -> dict[int, str]:
    """Return the first name of each id in *text*, the text of ``/etc/passwd`` or ``/etc/group``."""
    names: dict[int, str] = {}
    for row in _rows(text, fields=3):
        if _is_id(row[2]):
            names.setdefault(int(row[2]), row[0])
    return names


def _row(wanted: str, text: str, *, number: int, fields: int) -> list[str] | None:
    """Return the row whose name is *wanted*, else the row whose *number*-th field is *wanted*."""
    rows = [row for row in _rows(text, fields=fields) if _is_id(row[number])]
    by_name = next((row for row in rows if row[0] == wanted), None)
    return by_name or next((row for row in rows if row[number] == wanted), None)


def account_rows(text: str) -> Iterator[list[str]]:
    """Yield the fields of each line of passwd(5), group(5) or shadow(5); skips blank lines and comments."""
    for line in map(str.strip, text.splitlines()):
        if line and not line.startswith("#"):
            yield line.split(":")


def _rows(text: str, *, fields: int) -> Iterator[list[str]]:
    return (row for row in account_rows(text) if len(row) >= fields)


def _is_id(text: str) -> bool:
    # Python does not convert a number of more than 4,300 digits.
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS and int(text) <= _LARGEST
