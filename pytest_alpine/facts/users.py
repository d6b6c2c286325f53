"""Who a process in a container is: what ``USER`` and ``--user`` mean, as engines read them.

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
    """Who a process is."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    """The further groups that it belongs to."""
    home: str = "/"


def find_identity(user: str, passwd: str, group: str) -> Identity:
    """Return who *user* is: a name or number, a group behind a colon.

    Args:
        user: nothing means root.
        passwd: the text of ``/etc/passwd``.
        group: the text of ``/etc/group``.

    Raises:
        UnknownUserError: a name that nobody has, or a number that none can be.
    """
    name, _, wanted = user.partition(":")
    name = name or "0"
    row = _row(name, passwd, number=2, fields=6)
    if row is None and not _is_id(name):
        raise UnknownUserError(f"there is no user {name!r} in /etc/passwd (expected a name that is there, or a number)")
    uid = int(row[2]) if row else int(name)
    home = row[5] if row and row[5] else "/"
    if wanted:
        found = _row(wanted, group, number=2, fields=3)
        if found is None and not _is_id(wanted):
            raise UnknownUserError(
                f"there is no group {wanted!r} in /etc/group (expected one that is there, or a number)"
            )
        return Identity(uid=uid, gid=int(found[2]) if found else int(wanted), home=home)
    if row is None:
        return Identity(uid=uid, home=home)
    groups = tuple(int(line[2]) for line in _rows(group, fields=4) if row[0] in line[3].split(",") and _is_id(line[2]))
    return Identity(uid=uid, gid=int(row[3]) if _is_id(row[3]) else 0, groups=groups, home=home)


def id_names(text: str) -> dict[int, str]:
    """Return the first name of each number in *text*, which is that of ``/etc/passwd`` or ``/etc/group``."""
    names: dict[int, str] = {}
    for row in _rows(text, fields=3):
        if _is_id(row[2]):
            names.setdefault(int(row[2]), row[0])
    return names


def _row(wanted: str, text: str, *, number: int, fields: int) -> list[str] | None:
    """Return the row whose name, or whose *number*-th field is *wanted*; a name counts first."""
    rows = [row for row in _rows(text, fields=fields) if _is_id(row[number])]
    by_name = next((row for row in rows if row[0] == wanted), None)
    return by_name or next((row for row in rows if row[number] == wanted), None)


def account_rows(text: str) -> Iterator[list[str]]:
    """Yield the fields of each line of passwd(5), group(5) or shadow(5); blank lines and comments have none."""
    for line in map(str.strip, text.splitlines()):
        if line and not line.startswith("#"):
            yield line.split(":")


def _rows(text: str, *, fields: int) -> Iterator[list[str]]:
    return (row for row in account_rows(text) if len(row) >= fields)


def _is_id(text: str) -> bool:
    # Python refuses to make a number of more digits than 4,300.
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS and int(text) <= _LARGEST
