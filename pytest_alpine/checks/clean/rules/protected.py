"""Paths that apk treats as configuration, which may be changed.

Spec: apk-protected_paths(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_alpine.checks.snapshot import Snapshot
    from pytest_alpine.rootfs.base import Entry

FOLDERS: Final = ("/lib/apk/protected_paths.d", "/etc/apk/protected_paths.d")
DEFAULT: Final = ("+etc", "@etc/init.d", "!etc/apk")
"""What apk protects where no list says otherwise."""

_SYMBOLS: Final = "+-@!"


@dataclass(frozen=True, slots=True)
class ProtectedPaths:
    """The protected paths of an image: rules in their order, of which the last that matches counts."""

    rules: tuple[tuple[str, tuple[str, ...]], ...]
    """A symbol, and a pattern for each component of a path."""

    def covers(self, path: str, entry: Entry | None) -> bool:
        """Whether apk lets an administrator change *path*; *entry* is what exists there now."""
        parts = path.strip("/").split("/")
        symbol = next((symbol for symbol, patterns in reversed(self.rules) if _leads(patterns, parts)), "-")
        return symbol in "+!" or (symbol == "@" and entry is not None and entry.kind == "symlink")


def protected_paths(snapshot: Snapshot) -> ProtectedPaths:
    """Return the protected paths of the image, apk's own rules first."""
    lines = [*DEFAULT, *_lines(snapshot)]
    return ProtectedPaths(tuple((line[0], _components(line[1:])) for line in lines))


def _lines(snapshot: Snapshot) -> Iterator[str]:
    for folder in FOLDERS:
        for entry in snapshot.below(folder):
            if entry.path.endswith(".list") and entry.path.count("/") == folder.count("/") + 1:
                lines = map(str.strip, (snapshot.text(entry.path) or "").splitlines())
                yield from (line for line in lines if line[:1] and line[0] in _SYMBOLS)


def _components(glob: str) -> tuple[str, ...]:
    return tuple(part for part in glob.split("/") if part)


def _leads(patterns: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether *patterns* match the first components in *parts*, one each; ``*`` does not match a slash."""
    return len(patterns) <= len(parts) and all(map(fnmatchcase, parts, patterns))
