"""Other package managers and build tools have left no caches behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

CACHE: Final = re.compile(
    r"""
    (?:/root|/home/[^/]+)?/                     # at home; / itself where a build has no HOME
    (?:\.cache/(?:pip|uv|pypoetry|yarn|go-build|node-gyp|composer|ccache|bazel|pre-commit)
      |\.npm/_cacache|\.yarn/cache|\.cargo/registry|\.bundle/cache|\.composer/cache|\.ccache
      |\.gradle/caches|\.m2/repository|\.nuget/packages|go/pkg/mod/cache)
    |/usr/local/share/\.cache/yarn
    |/var/cache/(?:apt|dnf|yum|pacman|distfiles|misc)
    """,
    re.VERBOSE,
)
"""A folder in which a tool keeps what it has downloaded or built."""


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    sizes: dict[str, tuple[int, int]] = {}
    for path, entry in snapshot.entries.items():
        match = CACHE.match(f"{path}/")
        if match and entry.is_file and path.startswith(f"{match[0]}/"):
            count, size = sizes.get(match[0], (0, 0))
            sizes[match[0]] = (count + 1, size + entry.size)
    for folder, (count, size) in sizes.items():
        files = "1 file" if count == 1 else f"{count} files"
        hint = "build with a cache mount, or without a cache"
        yield RULE.finding(folder, expected="no cache", actual=f"{files}, {format_size(size)}", hint=hint)


RULE = Rule(
    name="tool-caches",
    reason="what pip, npm, go and others keep for the next build is dead weight in an image",
    sets=BASE,
    find=_find,
)
