"""Tags and platforms of the command line that no test has. A run with such options must fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from pytest_alpine.matrix.cells import ALL
from pytest_alpine.matrix.declaration import NATIVE, named
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_alpine.matrix.declaration import Declaration


class HasCell(Protocol):
    """A cell, or the result of one."""

    @property
    def tag(self) -> str:
        """The row of the matrix."""
        ...

    @property
    def platform(self) -> Platform | str:
        """The column of the matrix."""
        ...


def unused(chosen: Declaration, cells: Iterable[HasCell]) -> list[str]:
    """Return the options of *chosen*, the command line's declaration, that name a tag or platform of no cell."""
    tags: set[str] = set()
    platforms: set[str] = set()
    for cell in cells:
        tags.add(cell.tag)
        platforms.add(str(cell.platform))
    names = [word for word in named(chosen.platforms or ()) if word not in {ALL, NATIVE}]
    return [
        *(f"--alpine-tag={tag}" for tag in chosen.tags or () if tag not in tags),
        *(f"--alpine-platform={name}" for name in names if str(Platform.parse(name)) not in platforms),
    ]


def explain(options: Sequence[str]) -> str:
    """Return the message about *options* that no test has a cell for."""
    return f"no test has a cell for {', '.join(options)}: correct it, or add it to what the tests' markers declare"


def may_ask_later(items: Sequence[pytest.Item]) -> bool:
    """Whether no collected test has cells, but one may request a cell while it runs, by ``request`` or in a doctest."""
    if any(_was_parametrized(item) for item in items):
        return False
    return any(_may_ask(item) for item in items)


def _may_ask(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):  # a doctest, for example
        return True
    # A method of unittest's that uses alpine_cell is not parametrized.
    return not {"request", "alpine_cell"}.isdisjoint(item.fixturenames)


def _was_parametrized(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and "alpine_cell" in callspec.params
