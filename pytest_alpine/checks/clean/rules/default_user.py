"""The image runs as a user that is not root.

Spec: https://github.com/opencontainers/image-spec/blob/main/config.md, "User"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.clean.rule import APPLICATION, Rule
from pytest_alpine.checks.clean.rules.accounts import NUMBER, USERS, ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    user = snapshot.image.config.user
    name = user.partition(":")[0]
    number = int(name) if NUMBER.fullmatch(name) else ids(snapshot, USERS).get(name)
    if name and number:
        return
    actual = f"root ({user or 'no USER is set'})"
    if name and name != "root" and number is None:
        actual = f"{user}, which {USERS} does not know"
    hint = "adduser -D -H app, and USER app at the end of the Dockerfile"
    yield RULE.finding("USER", expected="a user of the image, not root", actual=actual, hint=hint)


RULE = Rule(
    name="default-user",
    reason="an attacker who breaks into a program of root is root, in the container and perhaps beyond",
    sets=APPLICATION,
    find=_find,
)
