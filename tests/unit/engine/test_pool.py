from __future__ import annotations

import time
from threading import Barrier, Event, Lock, Timer, get_ident
from typing import TYPE_CHECKING, cast

import pytest

from pytest_alpine.engine.pool import ContainerPool, StartLimit, available_memory
from pytest_alpine.errors import ContainerStartError, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_alpine import Container


class Started:
    """What a pool holds: it only ever stops them."""

    def __init__(self, key: str, log: Log) -> None:
        self.key = key
        self._log = log

    def stop(self) -> None:
        self._log.note(f"stop {self.key}")
        if self.key == "stuck":
            raise EngineError("cannot remove container stuck")


class Log:
    """What happened, in order, in whatever thread."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.may_start = Event()
        self.may_start.set()
        self._lock = Lock()

    def note(self, line: str) -> None:
        with self._lock:
            self.lines.append(line)

    def start(self, key: str) -> Container:
        self.note(f"start {key}")
        self.may_start.wait(10)
        if key == "broken":
            raise ContainerStartError(f"cannot start {key}")
        return cast("Container", Started(key, self))

    def wait_for(self, *lines: str) -> None:
        deadline = time.monotonic() + 10
        while sorted(self.lines) != sorted(lines) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert sorted(self.lines) == sorted(lines)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def pool(log: Log) -> Iterator[ContainerPool[str]]:
    """A pool that starts two ahead."""
    made = ContainerPool(log.start, lambda: StartLimit(2, 2))
    yield made
    log.may_start.set()
    made.close()


def shared(*keys: str) -> list[tuple[str, bool]]:
    return [(key, False) for key in keys]


def fresh(*keys: str) -> list[tuple[str, bool]]:
    return [(key, True) for key in keys]


def test_as_many_start_ahead_as_may_and_the_next_when_one_is_taken(pool: ContainerPool[str], log: Log) -> None:
    pool.expect(shared("a", "a", "b", "a", "c", "d"))
    log.wait_for("start a", "start b")
    assert pool.get("a") is pool.get("a")
    log.wait_for("start a", "start b", "start c")
    pool.release("a")
    log.wait_for("start a", "start b", "start c", "stop a")
    pool.get("b")
    log.wait_for("start a", "start b", "start c", "stop a", "start d")


def test_one_that_nobody_expected_starts_in_the_thread_that_asks(log: Log) -> None:
    threads: list[int] = []
    pool = ContainerPool[str](lambda key: threads.append(get_ident()) or log.start(key))  # type: ignore[func-returns-value]  # None is the point
    pool.get("x")
    pool.take("x")
    pool.close()
    assert threads == [get_ident()] * 2
    log.wait_for("start x", "start x", "stop x")


def test_fresh_ones_are_never_handed_out_twice(pool: ContainerPool[str], log: Log) -> None:
    pool.expect([*fresh("a", "a"), *shared("a"), *fresh("a")])
    taken = [pool.take("a"), pool.take("a"), pool.get("a"), pool.take("a")]
    assert len({id(container) for container in taken}) == 4
    assert log.lines == ["start a"] * 4
    for container in taken:
        pool.stop(container)
    pool.close()
    assert log.lines.count("stop a") == 5, "the shared one was released too, and stopping twice does nothing"


def test_no_more_fresh_ones_start_than_tests_need(pool: ContainerPool[str], log: Log) -> None:
    pool.expect(fresh("a", "a", "a", "a"))
    log.wait_for("start a", "start a")
    for needed in (3, 2):  # two tests were skipped: what was started is for the next
        pool.trim("a", needed)
    log.wait_for("start a", "start a")
    pool.trim("a", 1)
    log.wait_for("start a", "start a", "stop a")
    pool.take("a")
    pool.trim("a", 0)
    log.wait_for("start a", "start a", "stop a")


def test_a_new_plan_counts_what_runs(pool: ContainerPool[str], log: Log) -> None:
    pool.expect([*shared("a"), *fresh("b")])
    pool.get("a")
    pool.expect([*shared("a"), *fresh("b"), *shared("a", "c")])
    log.wait_for("start a", "start b", "start c")


def test_a_failed_start_is_raised_where_it_is_needed(pool: ContainerPool[str], log: Log) -> None:
    pool.expect([*shared("broken"), *fresh("broken")])
    for ask in (pool.get, pool.get, pool.take):
        with pytest.raises(ContainerStartError, match="cannot start broken"):
            ask("broken")
    assert log.lines == ["start broken"] * 2
    with pytest.raises(ContainerStartError):
        pool.take("broken")
    pool.release("broken")
    pool.close()
    assert log.lines == ["start broken"] * 3


def test_stopping_holds_up_no_start(log: Log) -> None:
    stopping = Barrier(2)

    class Slow(Started):
        def stop(self) -> None:
            stopping.wait(10)

    pool = ContainerPool[str](lambda key: cast("Container", Slow(key, log)), lambda: StartLimit(1, 1))
    pool.expect(shared("a", "b"))
    pool.get("a")
    pool.release("a")
    assert pool.get("b")
    stopping.wait(10)
    pool.release("b")
    stopping.wait(10)
    pool.close()


def test_closing_waits_for_all_and_drops_what_has_not_begun(log: Log) -> None:
    log.may_start.clear()
    bounds = [StartLimit(2, 2)]
    pool = ContainerPool(log.start, lambda: bounds[-1])
    bounds.append(StartLimit(150, 150))
    pool.expect(fresh(*map(str, range(200))))
    log.wait_for("start 0", "start 1")
    Timer(0.05, log.may_start.set).start()
    pool.close()
    starts = [line for line in log.lines if line.startswith("start")]
    assert len(starts) < 10
    assert sorted(line.replace("start", "stop") for line in starts) == sorted(set(log.lines) - set(starts))


def test_a_container_that_is_given_back_late(log: Log) -> None:
    pool = ContainerPool(log.start)
    container = pool.take("a")
    pool.close()
    pool.stop(container)
    assert log.lines == ["start a", "stop a"]


def test_what_cannot_be_stopped_is_told_once(log: Log) -> None:
    pool = ContainerPool(log.start)
    pool.get("stuck")
    pool.get("a")
    with pytest.raises(EngineError, match="cannot remove container stuck"):
        pool.close()
    assert "stop a" in log.lines
    pool.close()


def test_a_container_that_is_left_running(pool: ContainerPool[str], log: Log) -> None:
    container, other = pool.get("a"), pool.take("a")
    pool.forget("a", other)
    assert pool.get("a") is container
    pool.forget("a", container)
    pool.forget("b", container)
    pool.close()
    assert log.lines == ["start a", "start a"]


@pytest.mark.parametrize(
    ("processes", "cores", "text", "expected"),
    [
        (1, 2, "MemTotal: 9 kB\nMemAvailable:   8388608 kB\n", StartLimit(6, 32)),
        (2, 2, "MemAvailable: 8388608 kB\n", StartLimit(3, 16)),
        (64, 2, "MemAvailable: 8388608 kB\n", StartLimit(1, 0)),
        (1, 2, "MemAvailable: 600000 kB\n", StartLimit(6, 2)),
        (1, 2, "MemAvailable: 200000 kB\n", StartLimit(6, 0)),
        (1, 2, "MemTotal: 9 kB\n", StartLimit(6, 6)),
        (2, 32, None, StartLimit(18, 18)),
    ],
    ids=["roomy", "two-processes", "many-processes", "small", "full", "old-kernel", "no-proc"],
)
def test_cores_and_memory_bound_what_starts_ahead(
    tmp_path: Path, processes: int, cores: int, text: str | None, expected: StartLimit
) -> None:
    meminfo = tmp_path / "meminfo"
    if text is not None:
        meminfo.write_text(text)
    assert StartLimit.now(processes, cores=cores, meminfo=meminfo) == expected


def test_this_machines_memory() -> None:
    found = available_memory()
    assert found is None or found > 1 << 20
