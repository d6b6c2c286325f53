"""Versions to compare: a second, plainer implementation of their order, and generators of texts that are nearly equal.

The order follows apk-package(5) and is told there by an algorithm on pairs: compare part by part from the left.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeVar

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

BEFORE_RELEASE: Final = ("alpha", "beta", "pre", "rc")
AFTER_RELEASE: Final = ("cvs", "svn", "git", "hg", "p")
SUFFIXES: Final = BEFORE_RELEASE + AFTER_RELEASE


class Kind(IntEnum):
    """What a part of a version is; the order of the kinds decides where two versions have different ones."""

    FIRST_NUMBER = 0
    NUMBER = 1
    LETTER = 2
    SUFFIX = 3
    SUFFIX_NUMBER = 4
    HASH = 5
    REVISION = 6
    END = 7
    INVALID = 8


Part = tuple[Kind, str]


def parts(text: str) -> list[Part]:
    """Return the parts of *text* from left to right, the last of which is an END or INVALID."""
    found: list[Part] = []
    while not found or found[-1][0] not in {Kind.END, Kind.INVALID}:
        kind, value, text = _next(found[-1][0] if found else None, text)
        found.append((kind, value))
    return found


def compare(left: str, right: str, *, fuzzy: bool = False) -> int:
    """Return -1, 0 or 1 as *left* is less than, equal to or greater than *right*; *fuzzy* is the operator ``~``."""
    for (kind, value), (other_kind, other) in zip(parts(left), parts(right), strict=False):
        if kind is not other_kind:
            if fuzzy and other_kind is Kind.END:
                return 0
            if kind is Kind.SUFFIX and value in BEFORE_RELEASE:
                return -1
            if other_kind is Kind.SUFFIX and other in BEFORE_RELEASE:
                return 1
            return -1 if kind > other_kind else 1
        if found := _compare_values(kind, value, other):
            return found
    return 0


# What may stand behind what.
_NUMBERS: Final = {Kind.FIRST_NUMBER, Kind.NUMBER}
_BEFORE_HASH: Final = {*_NUMBERS, Kind.LETTER, Kind.SUFFIX, Kind.SUFFIX_NUMBER}
_FORMS: Final = (
    (Kind.FIRST_NUMBER, re.compile("([0-9]+)"), {None}),
    (Kind.NUMBER, re.compile(r"\.([0-9]+)"), _NUMBERS),
    (Kind.LETTER, re.compile("([a-z])"), _NUMBERS),
    (Kind.SUFFIX, re.compile(f"_({'|'.join(SUFFIXES)})(?![a-z])"), _BEFORE_HASH),
    (Kind.SUFFIX_NUMBER, re.compile("([0-9]+)"), {Kind.SUFFIX}),
    (Kind.HASH, re.compile("~([0-9a-f]+)"), _BEFORE_HASH),
    (Kind.REVISION, re.compile("-r([0-9]+)"), {*_BEFORE_HASH, Kind.HASH}),
)


def _next(before: Kind | None, text: str) -> tuple[Kind, str, str]:
    """Return kind and value of the part that *text* begins with, and the rest of it."""
    for kind, form, allowed in _FORMS:
        match = form.match(text)
        if match and before in allowed:
            return kind, match[1], text[match.end() :]
    return (Kind.INVALID if text or before is None else Kind.END), "", ""


def _compare_values(kind: Kind, left: str, right: str) -> int:
    if kind is Kind.SUFFIX:
        return _sign(SUFFIXES.index(left), SUFFIXES.index(right))
    as_text = kind in {Kind.LETTER, Kind.HASH} or (kind is Kind.NUMBER and "0" in {left[0], right[0]})
    if as_text or kind in {Kind.END, Kind.INVALID}:
        return (left > right) - (left < right)
    return _sign(int(left) % 2**64, int(right) % 2**64)


def _sign(left: int, right: int) -> int:
    return (left > right) - (left < right)


_numbers = st.sampled_from(["0", "00", "01", "1", "2", "9", "10", "010", str(2**64), str(2**64 + 1), "9" * 70])
_texts: st.SearchStrategy[list[str]] = st.lists(_numbers.map(lambda number: f".{number}"), max_size=3)


@st.composite
def versions(draw: st.DrawFn) -> str:
    """Draw valid versions from few values, so that many pairs share a beginning."""
    text = draw(_numbers) + "".join(draw(_texts)) + draw(st.sampled_from(["", "", "a", "b"]))
    for name in draw(st.lists(st.sampled_from(SUFFIXES), max_size=2)):
        text += f"_{name}" + draw(st.one_of(st.just(""), _numbers))
    text += draw(st.sampled_from(["", "", "~0", "~ab", "~abc"]))
    return text + draw(st.one_of(st.just(""), _numbers.map(lambda number: f"-r{number}")))


def odd_versions() -> st.SearchStrategy[str]:
    """Draw texts that begin as versions do, most of which are none."""
    return st.one_of(versions(), st.builds("".join, st.tuples(versions(), st.text("0.19a_pr~-rx", max_size=4))))


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Return *count* pairs of versions that apk 2 and apk 3 order alike, most of them nearly equal.

    Left out is what the two read differently: leading zeros behind the first dot, hashes, texts that are no versions,
    and numbers of 18 digits or more, which apk 2 refuses.
    """
    chance = random.Random(seed)
    found: list[tuple[str, str]] = []
    while len(found) < count:
        left = Shape.drawn(chance)
        right = Shape.drawn(chance) if chance.random() < 0.1 else left.changed(chance)
        found.append((str(left), str(right)))
    return found


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A version of the kind that apk 2 and apk 3 read alike."""

    zeros: str
    numbers: tuple[int, ...]
    letter: str
    suffixes: tuple[tuple[str, int | None], ...]
    revision: int | None

    @classmethod
    def drawn(cls, chance: random.Random) -> Shape:
        """Return any version."""
        return cls(
            zeros=_zeros(chance),
            numbers=tuple(_number(chance) for _ in range(chance.choice([1, 2, 2, 3, 3, 3, 4, 5]))),
            letter=_letter(chance),
            suffixes=tuple(_suffix(chance) for _ in range(chance.choice([0, 0, 0, 1, 1, 2]))),
            revision=_optional(chance),
        )

    def changed(self, chance: random.Random) -> Shape:
        """Return this version with one thing changed, or two."""
        once = self._changed(chance)
        return once._changed(chance) if chance.random() < 0.3 else once

    def _changed(self, chance: random.Random) -> Shape:
        what = chance.choice(["zeros", "numbers", "numbers", "letter", "suffixes", "suffixes", "revision"])
        if what == "zeros":
            return replace(self, zeros=_zeros(chance))
        if what == "numbers":
            return replace(self, numbers=_edited(chance, self.numbers, _near, _number) or (_number(chance),))
        if what == "letter":
            return replace(self, letter=_letter(chance))
        if what == "suffixes":
            return replace(self, suffixes=_edited(chance, self.suffixes, _near_suffix, _suffix))
        return replace(self, revision=_optional(chance) if self.revision is None else _near(chance, self.revision))

    def __str__(self) -> str:
        suffixes = "".join(f"_{name}{'' if number is None else number}" for name, number in self.suffixes)
        revision = "" if self.revision is None else f"-r{self.revision}"
        zeros = self.zeros if self.numbers[0] < 10**15 else ""
        return f"{zeros}{'.'.join(map(str, self.numbers))}{self.letter}{suffixes}{revision}"


_Item = TypeVar("_Item")


def _edited(
    chance: random.Random,
    items: tuple[_Item, ...],
    near: Callable[[random.Random, _Item], _Item],
    new: Callable[[random.Random], _Item],
) -> tuple[_Item, ...]:
    """Return *items* with one of them changed, dropped or added."""
    at = chance.randrange(len(items) + 1)
    if at == len(items) or chance.random() < 0.2:
        return (*items[:at], new(chance), *items[at:])
    kept = () if chance.random() < 0.3 else (near(chance, items[at]),)
    return (*items[:at], *kept, *items[at + 1 :])


def _number(chance: random.Random) -> int:
    digits = chance.choice([1, 1, 1, 1, 1, 2, 2, 3, 8, 17])
    return chance.choice([0, 0, 1, 1, 2, 9]) if digits == 1 else chance.randrange(10**digits)


def _near(chance: random.Random, number: int) -> int:
    return chance.choice([number + 1, max(0, number - 1), number * 10, number // 10, number]) % 10**17


def _optional(chance: random.Random) -> int | None:
    return _number(chance) if chance.random() < 0.6 else None


def _suffix(chance: random.Random) -> tuple[str, int | None]:
    return chance.choice(SUFFIXES), _optional(chance)


def _near_suffix(chance: random.Random, suffix: tuple[str, int | None]) -> tuple[str, int | None]:
    name, number = suffix
    if number is None or chance.random() < 0.5:
        return chance.choice(SUFFIXES), number
    return name, _near(chance, number)


def _letter(chance: random.Random) -> str:
    return chance.choice(["", "", "", "", "a", "b", "p", "r", "z"])


def _zeros(chance: random.Random) -> str:
    return "0" * chance.choice([0, 0, 0, 0, 0, 1, 2])
