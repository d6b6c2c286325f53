"""No private keys are in the image, nor in a layer where another one deletes them."""

from __future__ import annotations

import re
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.checks.hidden import hidden_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot
    from pytest_alpine.rootfs.base import Entry

# PEM (RFC 7468), OpenSSH's and OpenPGP's form: a line of its own, or a text of JSON; then a header, or the key.
# Programs that handle keys contain the first line too, but not the key.
_KEY: Final = re.compile(
    rb"(?:^|(?P<quote>\"))-----BEGIN (?P<kind>(?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?)-----"
    rb"(?(quote)(?:\\r)?\\n|[ \t]*\r?\n\s*)(?:[A-Za-z0-9+/=]{16}|[A-Za-z-]+: )",
    re.MULTILINE,
)
# Searching for this text first, which most files do not hold, is forty times as fast.
_MARK: Final = b"PRIVATE KEY"
# Larger files are not keys.
_LIMIT: Final = 64 << 10
_SMALLEST: Final = 64
_SHIPPED: Final = "the layer ships all the same: mount the key as a secret of the build, and replace it"


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for path, entry in snapshot.entries.items():
        kind = _key(entry, partial(snapshot.rootfs.read, path))
        if kind:
            actual, hint = f"{kind}, {snapshot.owner_text(path)}", "make it when a container starts, or mount it"
            yield RULE.finding(path, expected="no private key", actual=actual, hint=hint)
    for file in sorted(hidden_files(snapshot.image), key=attrgetter("entry.path")):
        kind = _key(file.entry, file.read)
        if kind:
            how = "replaced" if file.replaced else "deleted"
            actual = f"{kind} in layer {file.layer}, {how} above"
            yield RULE.finding(file.entry.path, expected="no private key", actual=actual, hint=_SHIPPED)


def _key(entry: Entry, read: Callable[[], bytes]) -> str:
    """Return what kind of private key a file is; empty where it is none."""
    if not entry.is_file or not _SMALLEST <= entry.size <= _LIMIT:
        return ""
    content = read()
    match = _KEY.search(content) if _MARK in content else None
    return match["kind"].decode() if match else ""


RULE = Rule(
    name="private-keys",
    reason="everybody who pulls the image has the key, and all containers share it",
    sets=BASE,
    find=_find,
)
