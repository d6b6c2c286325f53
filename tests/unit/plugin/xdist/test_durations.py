from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from xdist.remote import Producer

from pytest_alpine.platforms import PLATFORMS, Platform
from pytest_alpine.plugin.xdist.durations import EMULATED, NATIVE, OTHER, Durations, cell_group, kind_of
from pytest_alpine.plugin.xdist.scheduling import CellScheduling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Platform.native().slug
AWAY = next(platform.slug for platform in reversed(PLATFORMS) if not platform.runs_on(Platform.native()))


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("test_a.py::test_x[3.22-arm-v7]", "3.22-arm-v7"),
        ("test_a.py::TestX::test_x[3.22-arm64-param-2]", "3.22-arm64"),
        ("test_a.py::test_x[1.2-alpine-386]", "1.2-alpine-386"),
        ("test_a.py::test_x[3.22-amd64]@group", "group"),
        ("test_a.py::test_x[a@b-amd64]", "a@b-amd64"),
        ("test_a.py::test_x[3]", "test_a.py::test_x[3]"),
        ("test_a.py::test_x", "test_a.py::test_x"),
        ("test_a.py::test_x[amd64]", "test_a.py::test_x[amd64]"),
    ],
)
def test_what_a_test_is_sent_with(nodeid: str, group: str) -> None:
    assert cell_group(nodeid) == group


@pytest.mark.parametrize(
    ("group", "kind"),
    [(f"3.22-{HERE}", NATIVE), (f"1-2-{AWAY}", EMULATED), ("test_a.py::test_x", OTHER), ("group", OTHER)],
)
def test_kinds(group: str, kind: str) -> None:
    assert kind_of(group) == kind


@pytest.mark.parametrize(
    ("cell", "own"),
    [("386", True), ("amd64", True), ("arm64", False), ("arm/v7", False)],
    ids=["older", "itself", "other", "of-another"],
)
def test_what_a_processor_runs_itself(cell: str, own: bool) -> None:
    assert Platform.parse(cell).runs_on(Platform.parse("amd64")) == own


class Remembered(dict[str, Any]):
    """What pytest's cache is to us."""

    def set(self, key: str, value: object) -> None:
        self[key] = value


def test_durations_are_remembered_per_test() -> None:
    cache = Remembered()
    first = Durations.read(cache)
    assert first.of(f"3-{AWAY}", 2) > first.of(f"3-{HERE}", 2) > first.of("test_a.py::test_x", 1) > 0
    first.write(cache)
    assert not cache, "nothing ran"
    for seconds in (0.25, 1.5, 0.25):
        first.add(f"test_a.py::test_x[3-{HERE}]", seconds)
    first.add(f"test_a.py::test_y[3-{HERE}]", 2)
    first.write(cache)
    second = Durations.read(cache)
    assert second.of(f"3-{HERE}", 10) == 20
    second.add(f"test_a.py::test_x[3-{AWAY}]", 3)
    second.write(cache)
    assert cache == {"alpine/seconds": {f"3-{HERE}": 2.0, f"3-{AWAY}": 3.0}}


@pytest.mark.parametrize("stored", [None, [], "x", {"3-amd64": "slow"}], ids=repr)
def test_a_cache_that_holds_nonsense(stored: object) -> None:
    assert Durations.read(Remembered({"alpine/seconds": stored})).of(f"3-{HERE}", 1) < 1


def test_without_a_cache() -> None:
    durations = Durations.read(None)
    durations.add(f"test_a.py::test_x[3-{HERE}]", 1)
    durations.write(None)


class Worker:
    """What a scheduler sees of a worker."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.sent: list[int] = []

    def send_runtest_some(self, numbers: Sequence[int]) -> None:
        self.sent += numbers

    def shutdown(self) -> None:
        self.shutting_down = True


class Run:
    """A run of tests by workers that never work at the same time."""

    def __init__(self, config: pytest.Config, sizes: Mapping[str, int], seconds: Mapping[str, float]) -> None:
        self.tests = [
            f"t.py::test_{n}[{g}]" if "-" in g else f"t.py::{g}_{n}" for g, k in sizes.items() for n in range(k)
        ]
        self.scheduling = CellScheduling(config, Producer("test"), Durations(seconds))
        self.workers = [Worker("a"), Worker("b")]
        for worker in self.workers:
            self.add(worker)
        self.scheduling.schedule()

    def add(self, worker: Worker) -> None:
        self.scheduling.add_node(worker)
        self.scheduling.add_node_collection(worker, self.tests)

    def groups(self, worker: Worker) -> list[str]:
        """Return what was sent to a worker, each group once."""
        return list(dict.fromkeys(cell_group(self.tests[number]) for number in worker.sent))

    def work(self, worker: Worker, tests: int) -> None:
        for number in worker.sent[:tests]:
            self.scheduling.mark_test_complete(worker, number, 0.1)
        del worker.sent[:tests]


@pytest.fixture
def config(pytester: pytest.Pytester) -> pytest.Config:
    return pytester.parseconfig("--tx=2*popen", "-p", "no:alpine")


def test_the_longest_comes_first_and_no_kind_waits_for_another(config: pytest.Config) -> None:
    sizes = {f"1-{HERE}": 5, f"2-{HERE}": 6, f"3-{AWAY}": 5, f"4-{AWAY}": 6, f"5-{AWAY}": 7}
    run = Run(config, sizes, {f"3-{AWAY}": 9.0, f"1-{HERE}": 2.0})
    one, other = run.workers
    assert run.groups(one) == [f"3-{AWAY}"], "45 s, as was seen last time"
    assert run.groups(other) == [f"1-{HERE}"], "10 s"
    run.work(other, 3)
    assert run.groups(other) == [f"1-{HERE}", f"5-{AWAY}"], "as many have native cells in hand: the longest"
    run.work(one, 3)
    assert run.groups(one) == [f"3-{AWAY}", f"2-{HERE}"], "more have emulated ones in hand"
    run.work(one, 1)
    assert len(run.groups(one)) == 2
    run.work(one, 1)
    assert run.groups(one) == [f"2-{HERE}", f"4-{AWAY}"]
    assert not one.shutting_down
    run.work(one, 1)
    assert one.shutting_down, "nothing waits any more"


def test_a_worker_has_no_more_than_one_cell_ahead(config: pytest.Config) -> None:
    run = Run(config, {f"{number}-{HERE}": 3 for number in range(9)}, {})
    assert [len(run.groups(worker)) for worker in run.workers] == [2, 2]
    run.work(run.workers[0], 1)
    assert len(run.groups(run.workers[0])) == 2
    run.work(run.workers[0], 2)
    assert len(run.groups(run.workers[0])) == 2


def test_tests_of_no_cell_are_sent_by_themselves(config: pytest.Config) -> None:
    run = Run(config, {f"1-{HERE}": 4, "plain": 40}, {f"1-{HERE}": 5.0})
    one, other = run.workers
    assert run.groups(one) == [f"1-{HERE}"]
    assert len(other.sent) == 2


def test_a_crashed_workers_cells_are_taken_over(config: pytest.Config) -> None:
    sizes = {f"1-{HERE}": 4, f"2-{AWAY}": 4, f"3-{AWAY}": 1}
    run = Run(config, sizes, {f"1-{HERE}": 5.0, f"2-{AWAY}": 6.0})
    one, other = run.workers
    assert run.groups(one) == [f"2-{AWAY}"]
    run.work(one, 1)
    assert run.scheduling.remove_node(one) == f"t.py::test_1[2-{AWAY}]"
    assert run.scheduling.has_pending
    replacement = Worker("c")
    run.add(replacement)
    run.scheduling.schedule()
    assert run.groups(replacement)[0] == f"2-{AWAY}"
    assert replacement.sent[:2] == [run.tests.index(f"t.py::test_{number}[2-{AWAY}]") for number in (2, 3)]
    run.work(replacement, len(replacement.sent))
    run.work(other, len(other.sent))
    run.work(replacement, len(replacement.sent))
    assert not run.scheduling.has_pending
    assert run.scheduling.remove_node(other) is None
