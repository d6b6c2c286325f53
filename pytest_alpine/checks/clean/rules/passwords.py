"""Nobody can log in: no account has an empty password, or one whose hash is in the image.

Spec: shadow(5), passwd(5). An empty password of root was CVE-2019-5021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.checks.clean.rules.accounts import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

# The last two are copies that the tools for accounts leave behind.
_FILES: Final = ("/etc/shadow", "/etc/passwd", "/etc/shadow-", "/etc/passwd-")
_SHADOWED: Final = "x"


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for path in _FILES:
        for name, *rest in rows(snapshot, path):
            password = rest[0] if rest else _SHADOWED
            if password.startswith(("*", "!")) or (password == _SHADOWED and "passwd" in path):
                continue
            actual = "a hash of one" if password else "an empty one, with which anybody logs in"
            hint = f"passwd -l {name}" if password else f"passwd -l {name}, or '!' in the second field"
            yield RULE.finding(f"{path}:{name}", expected="no password ('*' or '!')", actual=actual, hint=hint)


RULE = Rule(
    name="passwords",
    reason="a password in an image is the same for everybody who pulls it",
    sets=BASE,
    find=_find,
)
