"""Paths whose changes are a matter of configuration.

Spec: apk-protected_paths(5).
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.clean.inspection import Inspection
    from pytest_alpine.rootfs import Entry

FOLDERS: Final = ("/lib/apk/protected_paths.d", "/etc/apk/protected_paths.d")
DEFAULT: Final = ("+etc", "@etc/init.d", "!etc/apk")
"""What apk protects where no list says otherwise."""

_SYMBOLS: Final = "+-@!"


@dataclass(frozen=True, slots=True)
class ProtectedPaths:
    """The rules of an image, in their order; the last that matches counts."""

    rules: tuple[tuple[str, re.Pattern[str]], ...]

    def covers(self, path: str, entry: Entry | None) -> bool:
        """Whether apk leaves a change of *path* to the administrator; *entry* is what stands there now."""
        symbol = next((symbol for symbol, pattern in reversed(self.rules) if pattern.match(path)), "-")
        return symbol in "+!" or (symbol == "@" and entry is not None and entry.kind == "symlink")


def protected_paths(inspection: Inspection) -> ProtectedPaths:
    """Return the rules of the image, apk's own first."""
    lines = [*DEFAULT, *_lines(inspection)]
    return ProtectedPaths(tuple((line[0], _pattern(line[1:])) for line in lines))


def _lines(inspection: Inspection) -> Iterator[str]:
    for folder in FOLDERS:
        for entry in inspection.below(folder):
            if entry.path.endswith(".list") and entry.path.count("/") == folder.count("/") + 1:
                lines = map(str.strip, (inspection.text(entry.path) or "").splitlines())
                yield from (line for line in lines if line[:1] and line[0] in _SYMBOLS)


def _pattern(glob: str) -> re.Pattern[str]:
    """Return what matches the paths that *glob* names, and all below them."""
    return re.compile("".join(f"/{_shell_pattern(part)}" for part in glob.split("/") if part) + "(?:/|$)")


def _shell_pattern(part: str) -> str:
    """Return the regular expression of a glob without slashes: there, a star matches none."""
    return fnmatch.translate(part).removesuffix(r"\Z").removesuffix(r"\z").replace(".*", "[^/]*")
