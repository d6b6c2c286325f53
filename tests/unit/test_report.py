from __future__ import annotations

from pytest_alpine.report.grid import grid_lines
from pytest_alpine.report.results import CellNote, Results


def note(tag: str, platform: str, **more: object) -> dict[str, object]:
    return CellNote(tag=tag, platform=platform, reference=f"a:{tag}").to_json() | more


def test_grid() -> None:
    results = Results()
    for test in ("a", "b"):
        results.add(note("1", "linux/s390x", emulated=True, compressed=3_370_000), test, "call", "passed", 0.1)
    results.add(note("1", "linux/amd64", emulated=False), "a", "call", "passed", 0.1)
    results.add(note("1", "linux/amd64", emulated=False), "b", "call", "failed", 0.1)
    results.add(note("2", "linux/amd64"), "a", "setup", "skipped", 0.1)
    results.add(note("2", "linux/s390x", published=False), "a", "setup", "skipped", 0.1)
    assert list(grid_lines(results)) == [
        "   amd64      s390x",
        "1  1 FAILED   2 passed~",
        "   1 passed   3.37 MB",
        "2  1 skipped  -",
        "~ emulated   - not published   sizes: compressed layers, else files of the root filesystem",
    ]


def test_the_worst_phase_counts() -> None:
    results = Results()
    for phase, outcome in (("setup", "passed"), ("call", "passed"), ("teardown", "failed")):
        results.add(note("1", "linux/amd64"), "a", phase, outcome, 1.0)  # type: ignore[arg-type]
    (cell,) = results
    assert (cell.count("failed"), cell.count("passed"), cell.duration) == (1, 0, 3.0)


def test_nothing_to_show() -> None:
    assert not Results()
    assert list(grid_lines(Results())) == []
