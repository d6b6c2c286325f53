"""Declarations of the matrix on the command line, in an ini file or in a test's marker."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


NATIVE: Final = "native"
"""The word for the platform of this machine."""

WITHOUT: Final = "!"
"""The prefix of a platform that is left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """An image, tags and platforms; None for each that is not declared."""

    image: str | None = None
    tags: tuple[str, ...] | None = None
    platforms: tuple[str, ...] | None = None
    """Names, ``native``, ``all``; and ``!NAME`` for a platform that is left out."""

    def over(self, lower: Declaration) -> Declaration:
        """Return this declaration, completed by *lower* with what this one does not declare.

        >>> Declaration(platforms=("!s390x",)).over(Declaration(tags=("edge",), platforms=("all",)))
        Declaration(image=None, tags=('edge',), platforms=('all', '!s390x'))
        """
        return Declaration(
            image=lower.image if self.image is None else self.image,
            tags=lower.tags if self.tags is None else self.tags,
            platforms=_platforms_over(self.platforms, lower.platforms),
        )

    @property
    def platform_words(self) -> tuple[str, ...]:
        """The words for the platforms; ``native`` is the first if no platform is named."""
        words = self.platforms or ()
        return words if named(words) else (NATIVE, *words)


def named(words: Iterable[str]) -> list[str]:
    """Return those *words* for platforms that do not leave one out."""
    return [word for word in words if not word.startswith(WITHOUT)]


def left_out(words: Iterable[str]) -> list[str]:
    """Return the names of the platforms that *words* leave out.

    >>> named(["all", "!riscv64"]), left_out(["all", "!riscv64"])
    (['all'], ['riscv64'])
    """
    return [word.removeprefix(WITHOUT) for word in words if word.startswith(WITHOUT)]


def _platforms_over(words: tuple[str, ...] | None, lower: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if words is None:
        return lower
    if words and not named(words):  # the words only leave out platforms of *lower*
        return (*(lower or ()), *words)
    return words


def split_list(values: Iterable[str]) -> tuple[str, ...]:
    """Return the words of *values*, which commas or white space separate, each once and in order."""
    return tuple(dict.fromkeys(word for value in values for word in re.split(r"[,\s]+", value) if word))
