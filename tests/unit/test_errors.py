from __future__ import annotations

import inspect
import re

import pytest

from pytest_alpine import errors

ERRORS = {name: found for name, found in vars(errors).items() if inspect.isclass(found)}


def drawn() -> dict[str, str]:
    """Return the errors in the tree of the module's docstring, and the parent of each."""
    parents: dict[str, str] = {}
    levels: list[str] = []
    for line in str(errors.__doc__).partition("::")[2].splitlines():
        if match := re.fullmatch(r"    ([ │├└─]*)(\w+(?:, \w+)*)(?: +\(.*\))?", line):
            level = len(match[1]) // 4
            del levels[level:]
            parents.update(dict.fromkeys(match[2].split(", "), levels[-1] if levels else "Exception"))
            levels.append(match[2])
    return parents


def test_the_docstring_draws_every_error() -> None:
    assert set(drawn()) == set(ERRORS)


@pytest.mark.parametrize("name", ERRORS)
def test_the_docstring_draws_an_error_below_its_base(name: str) -> None:
    assert ERRORS[name].__bases__[0].__name__ == drawn()[name]
