"""Who a process is: names, numbers and groups as engines read them."""

from __future__ import annotations

import pytest

from pytest_alpine.errors import EngineError
from pytest_alpine.facts.users import Identity, UnknownUserError, find_identity

PASSWD = """\
root:x:0:0:root:/root:/bin/ash
# a comment:x:9:9::/:
bin:x:1:1:bin:/bin:/sbin/nologin
app:x:1000:1001:App:/home/app:/bin/sh
1000:x:77:77::/odd:/bin/sh
broken:x:not-a-number:1::/:
short:x
homeless:x:12:12:::
"""
GROUP = """\
root:x:0:root
bin:x:1:root,bin,daemon
wheel:x:10:root,app
app:x:1001:
broken:x:none:app
"""


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", Identity(uid=0, gid=0, groups=(0, 1, 10), home="/root")),
        ("root", Identity(uid=0, gid=0, groups=(0, 1, 10), home="/root")),
        ("0", Identity(uid=0, gid=0, groups=(0, 1, 10), home="/root")),
        ("app", Identity(uid=1000, gid=1001, groups=(10,), home="/home/app")),
        ("1000", Identity(uid=77, gid=77, home="/odd")),
        ("77", Identity(uid=77, gid=77, home="/odd")),
        ("1", Identity(uid=1, gid=1, groups=(1,), home="/bin")),
        ("4711", Identity(uid=4711)),
        ("4711:4712", Identity(uid=4711, gid=4712)),
        ("app:wheel", Identity(uid=1000, gid=10, home="/home/app")),
        ("app:10", Identity(uid=1000, gid=10, home="/home/app")),
        (":wheel", Identity(uid=0, gid=10, home="/root")),
        ("app:", Identity(uid=1000, gid=1001, groups=(10,), home="/home/app")),
        ("homeless", Identity(uid=12, gid=12)),
    ],
)
def test_who_it_is(user: str, expected: Identity) -> None:
    assert find_identity(user, PASSWD, GROUP) == expected


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("nobody-knows", "there is no user 'nobody-knows' in /etc/passwd (expected a user in this file, or a number)"),
        ("broken", "there is no user 'broken' in /etc/passwd (expected a user in this file, or a number)"),
        ("-1", "there is no user '-1' in /etc/passwd (expected a user in this file, or a number)"),
        ("2147483648", "there is no user '2147483648' in /etc/passwd (expected a user in this file, or a number)"),
        ("9" * 5000, f"there is no user '{'9' * 5000}' in /etc/passwd (expected a user in this file, or a number)"),
        ("app:none", "there is no group 'none' in /etc/group (expected a group in this file, or a number)"),
    ],
)
def test_nobody(user: str, message: str) -> None:
    with pytest.raises(UnknownUserError) as caught:
        find_identity(user, PASSWD, GROUP)
    assert str(caught.value) == message
    assert isinstance(caught.value, EngineError)


def test_an_image_without_any_users() -> None:
    assert find_identity("", "", "") == Identity()
