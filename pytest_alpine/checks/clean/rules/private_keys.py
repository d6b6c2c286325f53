"""No private keys are in the image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

# PEM (RFC 7468), OpenSSH's and OpenPGP's form: a line of its own, then a header or the key. Programs that handle
# keys hold the first line too, but not as a line.
_KEY: Final = re.compile(
    rb"^-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?)-----[ \t]*\r?\n\s*(?:[A-Za-z0-9+/=]{16}|[A-Za-z-]+: )",
    re.MULTILINE,
)
# What most files do not have is found out forty times as fast.
_MARK: Final = b"PRIVATE KEY"
# Larger files are not keys.
_LIMIT: Final = 64 << 10
_SMALLEST: Final = 64


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for path, entry in snapshot.entries.items():
        if not entry.is_file or not _SMALLEST <= entry.size <= _LIMIT:
            continue
        content = snapshot.rootfs.read(path)
        match = _KEY.search(content) if _MARK in content else None
        if match:
            actual = f"{match[1].decode()}, {snapshot.owner_text(path)}"
            hint = "make it when a container starts, or mount it"
            yield RULE.finding(path, expected="no private key", actual=actual, hint=hint)


RULE = Rule(
    name="private-keys",
    reason="a key that ships in an image is everybody's, and the same in every container",
    sets=BASE,
    find=_find,
)
