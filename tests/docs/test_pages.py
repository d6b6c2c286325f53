"""What the pages say of this repository is so."""

from __future__ import annotations

import re
import tomllib
from typing import Final

import pytest

import pytest_alpine
from tests.docs.pages import PAGES, ROOT, Example, examples

PATH: Final = re.compile(r"`((?:pytest_alpine|tests|docs|examples|benchmarks|changelog\.d)/[\w./]*)`")
QUOTES: Final = [example for example in examples() if example.is_quote]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_exist(page: str) -> None:
    paths = PATH.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [path for path in paths if not (ROOT / path).exists() and "_build" not in path] == []


@pytest.mark.parametrize("example", QUOTES, ids=lambda example: example.id)
def test_quoted_code_is_in_its_file(example: Example) -> None:
    first, _, rest = example.source.partition("\n")
    code = (ROOT / first.removeprefix("# ")).read_text(encoding="utf-8")
    parts = re.split(r"^ *\.\.\.\n", rest, flags=re.MULTILINE)
    assert [part for part in parts if part.strip("\n") not in code] == []


def test_every_public_name_is_in_the_reference() -> None:
    """A new name is a line in one of docs/api/*.md."""
    pages = "\n".join(page.read_text(encoding="utf-8") for page in ROOT.glob("docs/api/*.md"))
    described = re.findall(r"^\.\. auto(?:class|function|exception|data):: (\w+)$", pages, re.MULTILINE)
    assert sorted(described) == sorted(pytest_alpine.__all__)


def test_the_picture_shows_the_levels_of_the_import_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    levels = next(contract["layers"] for contract in settings["contracts"] if contract["id"] == "levels")
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(r'\["([\w, ]+)<br/>', text)
    assert [name for row in drawn for name in row.split(", ")] == [name for row in levels for name in row.split(" | ")]


def test_the_rules_are_listed_in_order() -> None:
    from pytest_alpine.checks.clean.registry import RULES

    text = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == [rule.name for rule in RULES]
