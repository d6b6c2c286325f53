"""The declarations of ``@pytest.mark.alpine(...)``."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pytest_alpine.errors import AlpineError
from pytest_alpine.matrix.declaration import Declaration, split_list

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest


def read_markers(markers: Iterable[pytest.Mark]) -> Declaration | None:
    """Return the declaration of a test's *markers*, closest first: test, class, module; None if there are none.

    Raises:
        AlpineError: see ``read_marker``.
    """
    declared = [read_marker(marker) for marker in markers]
    return reduce(Declaration.over, declared) if declared else None


def read_marker(marker: pytest.Mark) -> Declaration:
    """Return the declaration of *marker*.

    Raises:
        AlpineError: it has an unknown argument, or an argument has a wrong type; the message says what was expected.
    """
    unknown = set(marker.kwargs) - {"tags", "platforms", "image"}
    if marker.args or unknown:
        what = f"unknown argument {min(unknown)!r}" if unknown else "a positional argument"
        raise AlpineError(f"@pytest.mark.alpine: {what} (expected tags=, platforms=, image=)")
    image = marker.kwargs.get("image")
    if not (image is None or isinstance(image, str)):
        raise AlpineError(f"@pytest.mark.alpine: image={image!r} (expected a text)")
    return Declaration(image=image, tags=_several(marker, "tags"), platforms=_several(marker, "platforms"))


def _several(marker: pytest.Mark, name: str) -> tuple[str, ...] | None:
    value = marker.kwargs.get(name)
    if value is None:
        return None
    words = [value] if isinstance(value, str) else value
    # A tag without its quotes is a number: 3.20 would be 3.2.
    if not isinstance(words, (list, tuple, set, frozenset)) or not all(isinstance(word, str) for word in words):
        raise AlpineError(f"@pytest.mark.alpine: {name}={value!r} (expected a text in quotes, or a list of texts)")
    return split_list(words)
