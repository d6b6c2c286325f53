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
"""The sets of a rule for every image; ``application`` includes all rules of ``base``."""
APPLICATION: Final = frozenset({"application"})
"""The sets of a rule for images that ship an application; base images need not follow it."""


class InvalidRule(AlpineError, ValueError):
    """A text that names no rule of hygiene, and no set of rules."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One rule of hygiene."""

    name: str
    """Its name in ``rules=`` and ``except_=``: lower case, with hyphens."""
    reason: str
    """Why images should follow it, in one line."""
    sets: frozenset[str]
    """The names of the sets that hold it."""
    find: Callable[[Snapshot], Iterable[Finding]]
    """Returns a finding for everything that breaks the rule."""

    def finding(self, subject: str, *, expected: str, actual: str, hint: str = "") -> Finding:
        """Return a finding of this rule about *subject*: a path, a package or another name; it must hold no secret."""
        return Finding(check=f"{CHECK}:{self.name}", subject=subject, expected=expected, actual=actual, hint=hint)
