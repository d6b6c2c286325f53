"""What a command line, an ini file or a test's marker says of the matrix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Declaration(NamedTuple):  # made faster than a dataclass: every pytest session on the machine makes it
    """An image, tags and platforms; None where nothing is said of them."""

    image: str | None = None
    tags: tuple[str, ...] | None = None
    platforms: tuple[str, ...] | None = None

    def over(self, lower: Declaration) -> Declaration:
        """Return this declaration, with *lower*'s words where it is silent."""
        return Declaration(
            image=lower.image if self.image is None else self.image,
            tags=lower.tags if self.tags is None else self.tags,
            platforms=lower.platforms if self.platforms is None else self.platforms,
        )


def split_list(values: Iterable[str]) -> tuple[str, ...]:
    """Return the single words of *values*, which may hold commas and white space, each once and in order."""
    return tuple(dict.fromkeys(word for value in values for word in re.split(r"[,\s]+", value) if word))
