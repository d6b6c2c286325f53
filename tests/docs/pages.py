"""The pages of the documentation, and the examples in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sybil import Document, Region
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md")))

_BLOCKS: Final = FencedCodeBlockLexer("python|console|ini")
_SKIPPED: Final = re.compile(r'<!--- skip: next "([^"]+)" -->\s*\Z')


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One block of code on a page."""

    page: Path
    line: int
    language: str
    source: str
    skipped: str
    """Why it cannot run; empty if it can."""

    @property
    def id(self) -> str:
        """The page and the line, for people to find it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_quote(self) -> bool:
        """Whether it shows a file of this repository, which its first line names."""
        return self.source.startswith(("# pytest_alpine/", "# tests/"))

    @property
    def is_test(self) -> bool:
        """Whether it has tests for pytest."""
        return self.language == "python" and not self.is_quote and "def test_" in self.source


def _regions(document: Document) -> Iterable[Region]:
    for block in _BLOCKS(document):
        yield Region(block.start, block.end, block.lexemes, evaluator=None)


def examples() -> Iterator[Example]:
    """Yield the examples of all pages, in the order of the text."""
    for page in PAGES:
        document = Document.parse(str(page), _regions)
        for found in document.examples():
            before = _SKIPPED.search(document.text[: found.start])
            yield Example(
                page=page,
                line=found.line,
                language=found.parsed["language"],
                source=str(found.parsed["source"]),
                skipped=before[1] if before else "",
            )
