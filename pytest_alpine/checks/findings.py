"""What checks find, and how it is told: expected, actual, the nearest truth, and the image it was seen in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_alpine.facts.facts import Facts
from pytest_alpine.quoting import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_alpine.platforms import Platform


class Target(Facts, Protocol):
    """What checks take: an image or a running container. ``str()`` names it with its platform and digest."""

    @property
    def platform(self) -> Platform:
        """The platform that was asked for."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    check: str
    """The assertion that looks for it, such as ``installed``."""
    subject: str
    """What it is about: a constraint, a path, a measure."""
    expected: str
    actual: str
    hint: str = ""
    """The nearest truth, or what would mend it."""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return visible(f"{self.subject}: expected {self.expected}, found {self.actual}{hint}")


def require_none(findings: Sequence[Finding], target: object, *, most: int | None = None) -> None:
    """Raise one AssertionError that names *target* and tells *findings*, *most* of them at most; return if none."""
    __tracebackhide__ = True
    if findings:
        left = len(findings) - len(findings[:most])
        more = [f"  and {left} more of the kind (find_{findings[0].check} returns all)"] if left else []
        raise AssertionError("\n".join([f"{target}:", *(f"  {finding}" for finding in findings[:most]), *more]))
