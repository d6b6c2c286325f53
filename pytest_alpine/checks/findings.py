"""Findings, and the messages of failed checks: what was expected and found, a hint, and the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from pytest_alpine.facts.base import Facts
from pytest_alpine.quoting import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_alpine.platforms import Platform

Item = TypeVar("Item")


class Target(Facts, Protocol):
    """What checks take: an image or a running container. ``str()`` names it with its platform and digest."""

    @property
    def platform(self) -> Platform:
        """The platform that was asked for."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    r"""One thing that is not as it should be.

    What a terminal would obey, and bytes that are no text, are written as escapes (``\n``, ``\xff``) in every field.
    """

    check: str
    """The assertion that found it, such as ``installed``; for a rule of hygiene ``clean:`` and its name."""
    subject: str
    """What it is about: a constraint, a path, a measure."""
    expected: str
    actual: str
    hint: str = ""
    """What is similar, or what would solve the problem."""

    def __post_init__(self) -> None:
        """Write what cannot be shown as escapes."""
        for name in ("subject", "expected", "actual", "hint"):
            object.__setattr__(self, name, visible(getattr(self, name)))

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.subject}: expected {self.expected}, found {self.actual}{hint}"


def require_none(findings: Sequence[Finding], target: object, *, most: int | None = None) -> None:
    """Return if there are no *findings*, else raise one AssertionError that tells them.

    Args:
        findings: the first line of the message is the first of them, which is what pytest's short summary shows.
        target: what was checked; the last line names it.
        most: how many of *findings* are told at most; all when None.
    """
    __tracebackhide__ = True
    if findings:
        shown, more = first(findings, most)
        rest = [f"{more} of the kind (find_{findings[0].check} returns all)"] if more else []
        raise AssertionError(message([*map(str, shown), *rest], target))


def message(lines: Iterable[str], target: object) -> str:
    """Return what a failed assertion says: *lines*, the first problem first, and *target*, which was checked."""
    return "\n".join([*lines, f"in {target}"])


def first(items: Sequence[Item], most: int | None) -> tuple[Sequence[Item], str]:
    """Return the first *most* of *items*, and how messages count those that are left out.

    >>> first(["a", "b", "c"], 1), first(["a"], 1)
    ((['a'], 'and 2 more'), (['a'], ''))
    """
    shown = items[:most]
    return shown, f"and {len(items) - len(shown)} more" if len(shown) < len(items) else ""


def listed(items: Sequence[object], most: int) -> str:
    """Return the first *most* of *items* in one line, and how many are left out.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    shown, more = first(items, most)
    return " ".join(filter(None, [", ".join(map(str, shown)), more]))
