"""No compilers and no packages for development are installed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import APPLICATION, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

_TOOL: Final = re.compile(
    r"""
    .+-(?:dev|headers)                                          # what programs are built with
    |(?:gcc|g\+\+|gcc-(?!doc$).+|clang\d*|llvm\d*|tcc|go|rust|cargo|ghc|ldc|gfortran|gnat|zig|nasm|yasm)  # compilers
    |openjdk\d+(?:-jdk)?|dotnet\d+-sdk                            # those that come with what they run on
    |(?:binutils|build-base|alpine-sdk|abuild|fortify-headers)
    |(?:make|cmake|meson|ninja|samurai|autoconf|automake|libtool|bison|flex|scons|pkgconf|patch|ccache)
    """,
    re.VERBOSE,
)


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for package in snapshot.facts.packages.values():
        if _TOOL.fullmatch(package.name):
            hint = "build in a stage of its own, or apk add --virtual and apk del in one step"
            yield RULE.finding(package.name, expected="not installed", actual=f"version {package.version}", hint=hint)


RULE = Rule(
    name="build-tools",
    reason="in an image that ships, only an intruder has a use for compilers and headers",
    sets=APPLICATION,
    find=_find,
)
