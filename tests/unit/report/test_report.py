from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.report.files import write_report
from pytest_alpine.report.grid import grid_lines
from pytest_alpine.report.results import CellNote, Results

if TYPE_CHECKING:
    from pathlib import Path


def note(tag: str, platform: str, **more: object) -> dict[str, object]:
    return CellNote(tag=tag, platform=platform, reference=f"a:{tag}").to_json() | more


def test_grid() -> None:
    results = Results()
    for test in ("a", "b"):
        results.add(note("1", "linux/s390x", emulated=True, compressed=3_370_000), test, "call", "passed", 0.1)
    results.add(note("1", "linux/amd64", emulated=False), "a", "call", "passed", 0.1)
    results.add(note("1", "linux/amd64", emulated=False, rootfs=7_790_000), "b", "call", "failed", 0.1)
    results.add(note("2", "linux/amd64"), "a", "setup", "skipped", 0.1)
    results.add(note("2", "linux/s390x", published=False), "a", "setup", "skipped", 0.1)
    assert list(grid_lines(results)) == [
        "   amd64      s390x",
        "1  1 FAILED   2 passed~",
        "   1 passed   3.37 MB",
        "   7.79 MB*",
        "2  1 skipped  -",
        "~ emulated   - not published   sizes: compressed layers, * files of the root filesystem",
    ]


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({}, ["1  1 passed"]),
        ({"compressed": 3_000_000, "rootfs": 7_000_000}, ["1  1 passed", "   3.00 MB", "sizes: compressed layers"]),
        (
            {"emulated": True, "rootfs": 7_000_000},
            ["1  1 passed~", "   7.00 MB*", "~ emulated   sizes: * files of the root filesystem"],
        ),
        ({"published": False}, ["1  -", "- not published"]),
    ],
    ids=["nothing", "compressed", "emulated", "not-published"],
)
def test_the_legend_is_of_the_marks_that_are_there(more: dict[str, object], lines: list[str]) -> None:
    results = Results()
    results.add(note("1", "linux/amd64", **more), "x", "call", "passed", 0.1)
    assert list(grid_lines(results))[1:] == lines


def test_rows_and_columns_do_not_depend_on_which_worker_was_first() -> None:
    results = Results(("edge", "3.20"))
    for tag, platform, row in (
        ("9", "s390x", 0),
        ("3.20", "arm/v7", 1),
        ("8", "amd64", 0),
        ("edge", "arm64", 0),
        ("7", "386", 1),
        ("7", "amd64", 0),
        ("10", "amd64", 2),
        ("3.20", "amd64", 0),
    ):
        results.add(note(tag, f"linux/{platform}", row=row), "a", "call", "passed", 0.1)
    assert [(cell.tag, cell.platform.removeprefix("linux/")) for cell in results] == [
        ("edge", "arm64"),
        ("3.20", "amd64"),
        ("3.20", "arm/v7"),
        ("7", "amd64"),
        ("7", "386"),
        ("8", "amd64"),
        ("9", "s390x"),
        ("10", "amd64"),
    ]


def test_two_images_with_one_tag_have_rows_of_their_own() -> None:
    results = Results()
    for reference in ("acme/app:1", "acme/web:1"):
        results.add(note("1", "linux/amd64", reference=reference), "a", "call", "passed", 0.1)
    assert [line.split("  ")[0] for line in grid_lines(results)][1:3] == ["acme/app:1", "acme/web:1"]


def test_the_tags_of_one_image_stand_together() -> None:
    results = Results()
    for row, tag in enumerate(("edge", "3.20")):
        for image in ("b", "a"):
            results.add(note(tag, "linux/amd64", reference=f"{image}:{tag}", row=row), "x", "call", "passed", 0.1)
    assert [cell.reference for cell in results] == ["a:edge", "a:3.20", "b:edge", "b:3.20"]


def test_reports_name_what_failed(tmp_path: Path) -> None:
    results = Results()
    results.add(note("1", "linux/amd64"), "test_x.py::test_a[<1>]", "call", "failed", 0.1)
    results.add(note("1", "linux/amd64"), "test_x.py::test_b[1]", "call", "passed", 0.1)
    for suffix in (".md", ".html"):
        write_report(tmp_path / f"report{suffix}", results)
    assert (tmp_path / "report.md").read_text().endswith("\n## Failed\n\n- `test_x.py::test_a[<1>]`\n")
    text = (tmp_path / "report.html").read_text()
    assert "<li>test_x.py::test_a[&lt;1&gt;]</li>" in text
    assert "test_b" not in text
    assert text.count("<tr class=failed>") == 1


def test_the_worst_phase_counts() -> None:
    results = Results()
    for phase, outcome in (("setup", "passed"), ("call", "passed"), ("teardown", "failed")):
        results.add(note("1", "linux/amd64"), "a", phase, outcome, 1.0)  # type: ignore[arg-type]
    (cell,) = results
    assert (cell.count("failed"), cell.count("passed"), cell.duration) == (1, 0, 3.0)


def test_nothing_to_show() -> None:
    assert not Results()
    assert list(grid_lines(Results())) == []
