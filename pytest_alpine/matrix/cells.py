"""The matrix: which image on which platform, as pure data that is the same on every worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import AlpineError, InvalidPlatform
from pytest_alpine.matrix.declaration import Declaration
from pytest_alpine.platforms import PLATFORMS, Platform
from pytest_alpine.reference import FILE_TRANSPORTS, TAG_FIELD, Reference, fill_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALL: Final = "all"
NATIVE: Final = "native"

_OFFICIAL: Final = ("docker.io", "library/alpine")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Cell:
    """One image on one platform."""

    reference: Reference = field(compare=True)
    platform: Platform
    declared: bool = field(default=True, compare=False)
    """Whether the platform was named; False where it comes of ``all`` and may turn out not to be published."""
    row: int = field(default=0, compare=False)
    """Where its tag stands among those that were declared with it."""

    @property
    def tag(self) -> str:
        """The row of the matrix: the tag, else a short name of the image."""
        return self.reference.label

    @property
    def id(self) -> str:
        """The short name in test ids, such as ``3.22-arm-v7``."""
        return f"{self.tag}-{self.platform.slug}"

    def __str__(self) -> str:
        return f"{self.reference} ({self.platform})"


def cells(
    chosen: Declaration, marked: Declaration | None, ini: Declaration, native: Platform | None = None
) -> tuple[Cell, ...]:
    """Return the cells of one test, tag by tag.

    Args:
        chosen: the command line's word: it replaces the declared values of an unmarked test and narrows a marked one's.
        marked: the test's own declaration, or None.
        ini: the suite's declaration; it must name an image.
        native: what ``native`` means; this machine's platform when None.

    Raises:
        InvalidReference: an image or a tag cannot be read.
        InvalidPlatform: a platform cannot be read.
    """
    if native is not None:
        ini = ini._replace(platforms=ini.platforms or (NATIVE,))
        chosen, ini = _with_native(chosen, native), _with_native(ini, native)
        marked = marked and _with_native(marked, native)
    if marked is None:
        return _expand(chosen.over(ini))
    full = _expand(marked.over(Declaration(image=chosen.image).over(_unless(marked, chosen)).over(ini)))
    return tuple(cell for cell in full if _selected(cell, chosen))


def _with_native(declared: Declaration, native: Platform) -> Declaration:
    words = declared.platforms and tuple(str(native) if word == NATIVE else word for word in declared.platforms)
    return declared._replace(platforms=words)


def parse_platforms(words: Iterable[str]) -> tuple[Platform, ...]:
    """Return the platforms that *words* name; ``native`` is this machine's, ``all`` every one that Alpine has.

    Raises:
        InvalidPlatform: a word names no platform.
    """
    found: dict[Platform, None] = {}
    for word in words:
        found.update(dict.fromkeys(PLATFORMS if word == ALL else [_parse_platform(word)]))
    return tuple(found)


def _parse_platform(word: str) -> Platform:
    return Platform.native() if word == NATIVE else Platform.parse(word)


def _unless(marked: Declaration, chosen: Declaration) -> Declaration:
    """Return the words of *chosen* for what *marked* leaves open."""
    return Declaration(
        tags=chosen.tags if marked.tags is None else None,
        platforms=chosen.platforms if marked.platforms is None else None,
    )


def _selected(cell: Cell, chosen: Declaration) -> bool:
    if chosen.tags is not None and cell.reference.tag is not None and cell.tag not in chosen.tags:
        return False
    return chosen.platforms is None or cell.platform in parse_platforms(chosen.platforms)


def _expand(declared: Declaration) -> tuple[Cell, ...]:
    image = declared.image or ""
    return tuple(
        cell
        for number, reference in enumerate(references(image, declared.tags))
        for cell in _row(reference, declared.platforms or (NATIVE,), number)
    )


def references(image: str, tags: Sequence[str] | None) -> tuple[Reference, ...]:
    """Return *image* at each of *tags*.

    With no tags declared, a name is read at ``latest``, and a file is taken as it is: what an archive holds
    says its file.

    Raises:
        InvalidReference: *image* or a tag cannot be read.
    """
    if tags is None:
        if image.startswith(tuple(f"{name}:" for name in FILE_TRANSPORTS)) and TAG_FIELD not in image:
            reference = Reference.parse(image)
            if reference.transport != "minirootfs":
                return (reference,)
        tags = ("latest",)
    return tuple(dict.fromkeys(fill_tag(image, tag) for tag in tags))


def _row(reference: Reference, words: Sequence[str], number: int) -> Sequence[Cell]:
    row: dict[Platform, Cell] = {}
    for word in words:
        if word == ALL:
            for platform in _candidates(reference):
                row.setdefault(platform, Cell(reference=reference, platform=platform, declared=False, row=number))
        else:
            platform = _parse_platform(word)
            row[platform] = Cell(reference=reference, platform=platform, row=number)
    return list(row.values())


def _candidates(reference: Reference) -> Sequence[Platform]:
    """Return the platforms that *reference* may be published for, as far as that can be told without a network."""
    if reference.is_on_disk:
        published = _published_on_disk(reference)
        if published:
            return [platform for platform in PLATFORMS if platform in published]
    if reference.is_named and (reference.registry, reference.repository) == _OFFICIAL:
        return [platform for platform in PLATFORMS if _on_docker_hub(platform, reference.tag or "latest")]
    return PLATFORMS


def _published_on_disk(reference: Reference) -> Sequence[Platform]:
    # The only import of the image level: listing a folder is no network, and keeps a matrix to what is there.
    from pytest_alpine.image.open import published_platforms

    try:
        return published_platforms(reference)
    except AlpineError:
        return ()  # each cell will say what is wrong


def _on_docker_hub(platform: Platform, tag: str) -> bool:
    """Whether the official image publishes *platform*: riscv64 since 3.20, loong64 never."""
    from pytest_alpine.facts.branches import branch_order

    if platform.architecture == "loong64":
        return False
    return platform.architecture != "riscv64" or branch_order(tag) >= branch_order("3.20")


def check(declared: Declaration) -> None:
    """Raise what reading *declared* raises, so that a mistake is told before any test runs.

    Raises:
        InvalidReference: an image or a tag cannot be read.
        InvalidPlatform: a platform cannot be read.
    """
    if declared.image is not None:
        references(declared.image, declared.tags)
    if declared.platforms is not None:
        if not declared.platforms:
            raise InvalidPlatform("no platform is named (expected native, all, or platforms)")
        parse_platforms(declared.platforms)
