"""The tag x platform grid as lines of text: one row per tag, one column per platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.platforms import Platform
from pytest_alpine.report.results import platform_order
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_alpine.report.results import CellResult

_NOT_PUBLISHED: Final = "-"


def grid_lines(results: Iterable[CellResult]) -> Iterator[str]:
    """Yield the lines of the grid; none if there are no cells."""
    cells = list(results)
    if not cells:
        return
    columns = sorted({cell.platform for cell in cells}, key=platform_order)
    table = [["", *(Platform.parse(column).slug for column in columns)]]
    rows = list(dict.fromkeys((cell.reference, cell.tag) for cell in cells))
    tags = [tag for _, tag in rows]
    for tag in rows:
        row = {cell.platform: _texts(cell) for cell in cells if (cell.reference, cell.tag) == tag}
        height = max(map(len, row.values()))
        for line in range(height):
            label = tag[1] if tags.count(tag[1]) == 1 else tag[0]  # several images may have the same tag
            table.append([label if line == 0 else "", *(_line(row.get(column, []), line) for column in columns)])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line_cells in table:
        yield "  ".join(text.ljust(width) for text, width in zip(line_cells, widths, strict=True)).rstrip()
    yield from filter(None, [_legend(cells)])


def _legend(cells: Sequence[CellResult]) -> str:
    """Return the meaning of each mark that the grid of *cells* uses."""
    there = [cell for cell in cells if cell.published]
    sizes = {
        "compressed layers": any(cell.compressed is not None for cell in there),
        "* files of the root filesystem": any(cell.compressed is None and cell.rootfs is not None for cell in there),
    }
    marks = {
        "~ emulated": any(cell.emulated for cell in there),
        f"{_NOT_PUBLISHED} not published": len(there) < len(cells),
        f"sizes: {', '.join(_said(sizes))}": any(sizes.values()),
    }
    return "   ".join(_said(marks))


def _said(texts: Mapping[str, bool]) -> Iterator[str]:
    return (text for text, true in texts.items() if true)


def _line(texts: Sequence[str], line: int) -> str:
    return texts[line] if line < len(texts) else ""


def _texts(cell: CellResult) -> list[str]:
    if not cell.published:
        return [_NOT_PUBLISHED]
    mark = "~" if cell.emulated else ""
    counts = (("failed", "FAILED"), ("passed", "passed"), ("skipped", "skipped"))
    texts = [f"{cell.count(outcome)} {word}{mark}" for outcome, word in counts if cell.count(outcome)]  # type: ignore[arg-type]
    if cell.compressed is not None:
        texts.append(format_size(cell.compressed))
    elif cell.rootfs is not None:
        texts.append(f"{format_size(cell.rootfs)}*")
    return texts
