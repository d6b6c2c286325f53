"""What a rule of hygiene is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.findings import Finding
from pytest_alpine.errors import AlpineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_alpine.checks.snapshot import Snapshot

CHECK: Final = "clean"

BASE: Final = frozenset({"base", "application"})
"""The sets of a rule that holds for every image: what an application's image should have, it has too."""
APPLICATION: Final = frozenset({"application"})
"""The sets of a rule that base images need not follow."""


class InvalidRule(AlpineError, ValueError):
    """A text that names no rule of hygiene, and no set of rules."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One rule of hygiene."""

    name: str
    """How ``rules=`` and ``except_=`` call it: lower case, with hyphens."""
    reason: str
    """Why it is a rule, in one line."""
    sets: frozenset[str]
    """The sets that it is in."""
    find: Callable[[Snapshot], Iterable[Finding]]
    """Returns what breaks the rule."""

    def finding(self, subject: str, *, expected: str, actual: str, hint: str = "") -> Finding:
        """Return a finding of this rule about *subject*: a path, a package, or another name that has no secrets."""
        return Finding(check=f"{CHECK}:{self.name}", subject=subject, expected=expected, actual=actual, hint=hint)
