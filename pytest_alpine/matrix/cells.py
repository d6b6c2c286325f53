"""The matrix of images and platforms, as pure data that is the same on every worker."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import AlpineError, InvalidPlatform
from pytest_alpine.matrix.declaration import NATIVE, Declaration, left_out, named
from pytest_alpine.platforms import PLATFORMS, Platform
from pytest_alpine.reference import FILE_TRANSPORTS, TAG_FIELD, Reference, fill_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALL: Final = "all"
"""The word for every platform of Alpine."""

_OFFICIAL: Final = ("docker.io", "library/alpine")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Cell:
    """One image on one platform."""

    reference: Reference = field(compare=True)
    platform: Platform
    declared: bool = field(default=True, compare=False)
    """Whether the platform was named; False if it comes from ``all``, so that it may not be published."""
    row: int = field(default=0, compare=False)
    """The position of its tag among the declared tags."""

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
        chosen: the command line's declaration. It replaces the suite's declaration for an unmarked test, and narrows
            the declaration of a marked test.
        marked: the test's own declaration, or None.
        ini: the suite's declaration; it must name an image.
        native: the platform that ``native`` stands for; this machine's platform when None.

    Raises:
        InvalidReference: an image or a tag cannot be read.
        InvalidPlatform: a platform cannot be read.
    """
    if native is not None:
        ini = replace(ini, platforms=ini.platform_words)
        chosen, ini = _with_native(chosen, native), _with_native(ini, native)
        marked = marked and _with_native(marked, native)
    if marked is None:
        return _expand(chosen.over(ini))
    full = _expand(marked.over(Declaration(image=chosen.image).over(_unless(marked, chosen)).over(ini)))
    return tuple(cell for cell in full if _selected(cell, chosen))


def _with_native(declared: Declaration, native: Platform) -> Declaration:
    meant = {NATIVE: str(native), f"!{NATIVE}": f"!{native}"}
    words = declared.platforms and tuple(meant.get(word, word) for word in declared.platforms)
    return replace(declared, platforms=words)


def parse_platforms(words: Iterable[str]) -> tuple[Platform, ...]:
    """Return the platforms that *words* name, in their order.

    ``native`` is this machine's platform, ``all`` are all platforms of Alpine, and ``!NAME`` leaves one out.

    >>> [str(platform) for platform in parse_platforms(["arm64", "386", "!aarch64"])]
    ['linux/386']

    Raises:
        InvalidPlatform: a word names no platform.
    """
    words = list(words)
    found: dict[Platform, None] = {}
    for word in named(words):
        found.update(dict.fromkeys(PLATFORMS if word == ALL else [_parse_platform(word)]))
    without = set(map(_parse_platform, left_out(words)))
    return tuple(platform for platform in found if platform not in without)


def _parse_platform(word: str) -> Platform:
    return Platform.native() if word == NATIVE else Platform.parse(word)


def _unless(marked: Declaration, chosen: Declaration) -> Declaration:
    """Return the tags and the platforms of *chosen* that *marked* does not declare."""
    return Declaration(
        tags=chosen.tags if marked.tags is None else None,
        platforms=chosen.platforms if marked.platforms is None else None,
    )


def _selected(cell: Cell, chosen: Declaration) -> bool:
    if chosen.tags is not None and cell.reference.tag is not None and cell.tag not in chosen.tags:
        return False
    words = chosen.platforms
    return words is None or cell.platform in parse_platforms(words if named(words) else (ALL, *words))


def _expand(declared: Declaration) -> tuple[Cell, ...]:
    image = declared.image or ""
    return tuple(
        cell
        for number, reference in enumerate(references(image, declared.tags))
        for cell in _row(reference, declared.platform_words, number)
    )


def references(image: str, tags: Sequence[str] | None) -> tuple[Reference, ...]:
    """Return *image* at each of *tags*.

    Without declared tags, a name gets the tag ``latest``. A file gets none, because an archive records which image it
    contains.

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
    for word in named(words):
        if word == ALL:
            for platform in _candidates(reference):
                row.setdefault(platform, Cell(reference=reference, platform=platform, declared=False, row=number))
        else:
            platform = _parse_platform(word)
            row[platform] = Cell(reference=reference, platform=platform, row=number)
    without = set(map(_parse_platform, left_out(words)))
    return [cell for platform, cell in row.items() if platform not in without]


def _candidates(reference: Reference) -> Sequence[Platform]:
    """Return the platforms that *reference* may be published for, found without a network."""
    if reference.is_on_disk:
        published = _published_on_disk(reference)
        if published:
            return [platform for platform in PLATFORMS if platform in published]
    if reference.is_named and (reference.registry, reference.repository) == _OFFICIAL:
        return [platform for platform in PLATFORMS if _on_docker_hub(platform, reference.tag or "latest")]
    return PLATFORMS


def _published_on_disk(reference: Reference) -> Sequence[Platform]:
    # The only import of the image level. To list a folder needs no network, and avoids cells that do not exist.
    from pytest_alpine.image.open import published_platforms

    try:
        return published_platforms(reference)
    except AlpineError:
        return ()  # the test of each cell reports the error


def _on_docker_hub(platform: Platform, tag: str) -> bool:
    """Whether the official image publishes *platform*: riscv64 since 3.20, loong64 never."""
    from pytest_alpine.facts.branches import branch_order

    if platform.architecture == "loong64":
        return False
    return platform.architecture != "riscv64" or branch_order(tag) >= branch_order("3.20")


def check(declared: Declaration) -> None:
    """Check that *declared* can be read, so that a mistake is reported before any test runs.

    Raises:
        InvalidReference: an image or a tag cannot be read.
        InvalidPlatform: a platform cannot be read.
    """
    if declared.image is not None:
        references(declared.image, declared.tags)
    if declared.platforms is not None:
        if not declared.platforms:
            raise InvalidPlatform("no platform is named (expected native, all, or platforms)")
        if not parse_platforms(declared.platform_words):
            raise InvalidPlatform(f"no platform is left of {', '.join(declared.platform_words)}")
