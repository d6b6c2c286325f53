"""Report files by their suffix: ``.json`` for programs, ``.md`` for a job summary, ``.html`` for people."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.report.documents import write_document
from pytest_alpine.report.grid import grid_lines
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pytest_alpine.report.results import CellResult

_HEADINGS: Final = (
    "image",
    "tag",
    "platform",
    "passed",
    "failed",
    "skipped",
    "compressed",
    "rootfs",
    "emulated",
    "seconds",
)


def write_report(path: Path, results: Iterable[CellResult]) -> None:
    """Write *results* to *path* in the format of its suffix.

    Raises:
        KeyError: the suffix is not in ``FORMATS``.
        AlpineError: *path* cannot be written.
    """
    write_document(path, FORMATS[path.suffix](list(results)))


def _json(cells: Sequence[CellResult]) -> str:
    return json.dumps({"cells": [_document(cell) for cell in cells]}, indent=2) + "\n"


def _document(cell: CellResult) -> dict[str, Any]:
    return {
        "reference": cell.reference,
        "tag": cell.tag,
        "platform": cell.platform,
        "published": cell.published,
        "emulated": cell.emulated,
        "digest": cell.digest,
        "compressed_bytes": cell.compressed,
        "unpacked_bytes": cell.unpacked,
        "rootfs_bytes": cell.rootfs,
        "seconds": round(cell.duration, 3),
        "tests": cell.outcomes,
    }


def _markdown(cells: Sequence[CellResult]) -> str:
    lines = ["# Alpine images", "", f"| {' | '.join(_HEADINGS)} |", "|---" * len(_HEADINGS) + "|"]
    lines += [f"| {' | '.join(text.replace('|', chr(92) + '|') for text in _row(cell))} |" for cell in cells]
    failures = [f"- `{test}`" for test in _failed(cells)]
    return "\n".join([*lines, *(["", "## Failed", "", *failures] if failures else [])]) + "\n"


def _html(cells: Sequence[CellResult]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
    rows = "\n".join(
        f"<tr{' class=failed' if cell.count('failed') else ''}>"
        + "".join(f"<td>{html.escape(text)}</td>" for text in _row(cell))
        + "</tr>"
        for cell in cells
    )
    grid = html.escape("\n".join(grid_lines(cells)))
    style = "body{font-family:sans-serif}td,th{padding:.2em .8em;text-align:left}.failed{background:#fdd}"
    failed = "".join(f"<li>{html.escape(test)}</li>" for test in _failed(cells))
    failures = f"<h2>Failed</h2>\n<ul>{failed}</ul>\n" if failed else ""
    title = "<!doctype html><html lang=en><meta charset=utf-8><title>Alpine images</title>"
    return (
        f"{title}<style>{style}</style><pre>{grid}</pre>\n<table><tr>{head}</tr>\n{rows}\n</table>\n{failures}</html>\n"
    )


def _failed(cells: Sequence[CellResult]) -> list[str]:
    return [test for cell in cells for test, outcome in cell.outcomes.items() if outcome == "failed"]


def _row(cell: CellResult) -> list[str]:
    compressed, rootfs = ("" if size is None else format_size(size) for size in (cell.compressed, cell.rootfs))
    emulated = {None: "", True: "yes", False: "no"}[cell.emulated]
    counts = [str(cell.count("passed")), str(cell.count("failed")), str(cell.count("skipped"))]
    return [
        cell.reference,
        cell.tag,
        cell.platform,
        *counts,
        compressed if cell.published else "not published",
        rootfs,
        emulated,
        f"{cell.duration:.2f}",
    ]


FORMATS: Final[dict[str, Callable[[Sequence[CellResult]], str]]] = {".json": _json, ".md": _markdown, ".html": _html}
"""The functions that render a report, by suffix."""
