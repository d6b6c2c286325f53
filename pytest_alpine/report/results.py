"""The results of each cell, collected from the reports of tests of all processes."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from pytest_alpine.platforms import PLATFORMS, Platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CellNote:
    """The facts about its cell in one test's report. xdist sends it between processes as a plain dictionary."""

    tag: str
    platform: str
    reference: str
    row: int = 0
    """The position of the tag among the declared tags."""
    published: bool = True
    emulated: bool | None = None
    """None if no container ran."""
    digest: str | None = None
    compressed: int | None = None
    unpacked: int | None = None
    rootfs: int | None = None
    packages: dict[str, int] | None = None
    """Bytes by package, if the run has a ledger."""

    def to_json(self) -> dict[str, Any]:
        """Return the note as plain values."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(kw_only=True, slots=True)
class CellResult:
    """The results of one cell."""

    tag: str
    platform: str
    reference: str = ""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """The outcome of each test, by its id."""
    duration: float = 0.0
    """The seconds of all phases of its tests together."""
    published: bool = True
    emulated: bool | None = None
    digest: str | None = None
    compressed: int | None = None
    unpacked: int | None = None
    rootfs: int | None = None
    packages: dict[str, int] | None = None

    def count(self, outcome: Outcome) -> int:
        """Return how many tests have this *outcome*."""
        return sum(value == outcome for value in self.outcomes.values())


class Results:
    """All cells of a run, row by row. The order does not depend on which worker reported first."""

    def __init__(self, tags: Sequence[str] = ()) -> None:
        """Start without cells; iteration starts with the rows of *tags*, in this order."""
        self._tags = {tag: number for number, tag in enumerate(tags)}
        self._rows: dict[tuple[str, str], int] = {}
        self._cells: dict[tuple[str, str, str], CellResult] = {}

    def __iter__(self) -> Iterator[CellResult]:
        return iter(sorted(self._cells.values(), key=self._place))

    def __bool__(self) -> bool:
        return bool(self._cells)

    def add(self, note: dict[str, Any], test: str, phase: str, outcome: Outcome, duration: float) -> None:
        """Count one report. The outcome of a test is the worst of its phases."""
        key = (note["reference"], note["tag"], note["platform"])
        if key not in self._cells:
            self._cells[key] = CellResult(tag=note["tag"], platform=note["platform"], reference=note["reference"])
        cell = self._cells[key]
        row = key[:2]
        self._rows[row] = min(note["row"], self._rows.get(row, note["row"]))
        cell.duration += duration
        if (phase == "call" or outcome != "passed") and cell.outcomes.get(test) != "failed":
            cell.outcomes[test] = outcome
        for name in ("emulated", "digest", "compressed", "unpacked", "rootfs", "packages"):
            if note[name] is not None:
                setattr(cell, name, note[name])
        cell.published = cell.published and note["published"]

    def _place(self, cell: CellResult) -> tuple[object, ...]:
        row, image = (cell.reference, cell.tag), cell.reference.removesuffix(cell.tag)
        return self._tags.get(cell.tag, len(self._tags)), image, self._rows[row], row, platform_order(cell.platform)


def platform_order(platform: str) -> int:
    """Return the place of *platform* among the columns: the order is that of ``PLATFORMS``, unknown ones last."""
    parsed = Platform.parse(platform)
    return PLATFORMS.index(parsed) if parsed in PLATFORMS else len(PLATFORMS)
