"""Runs that end before their time: whatever becomes of them, their containers go, and no others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.mirror import MIRROR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.docker, pytest.mark.official]

ARGS = (f"--alpine-image=minirootfs:{MIRROR}", "--alpine-tag=3.20", "-p", "no:cacheprovider")
PATIENCE = 60.0

# Each test says who runs it and what in, then waits for its end.
WAITING = """
import os, time
from pathlib import Path

def test_x(alpine_container, alpine_container_per_test):
    with Path("running").open("a") as file:
        file.write(f"{os.getpid()} {alpine_container.id} {alpine_container_per_test.id}\\n")
    time.sleep(300)
"""


def there() -> set[str]:
    """Return the IDs of all containers."""
    command = ["docker", "ps", "-aq", "--no-trunc"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Run:
    """A run of pytest in a session of its own, as in a terminal of its own."""

    def __init__(self, folder: Path, *args: str) -> None:
        folder.mkdir()
        (folder / "test_waiting.py").write_text(WAITING)
        self._running = folder / "running"
        self._said = folder / "said"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                # Shells let what they run in the background ignore Ctrl-C, and so these tests, too.
                ["env", "--default-signal=INT", sys.executable, "-m", "pytest", *ARGS, *args],
                cwd=folder,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for_tests(self, number: int) -> None:
        wait_until(lambda: self._running.exists() and self._running.read_text().count("\n") == number)

    @property
    def said(self) -> str:
        return self._said.read_text()

    @property
    def pids(self) -> list[str]:
        return [line.split()[0] for line in self._running.read_text().splitlines()]

    @property
    def containers(self) -> set[str]:
        return {word for line in self._running.read_text().splitlines() for word in line.split()[1:]}


@contextmanager
def running(folder: Path, *args: str, tests: int = 1) -> Iterator[Run]:
    run = Run(folder, *args)
    try:
        run.wait_for_tests(tests)
        yield run
    finally:
        if run.process.poll() is None:
            os.killpg(run.process.pid, signal.SIGINT)
            run.process.wait(PATIENCE)


@pytest.mark.parametrize(
    ("args", "number", "to_all", "cleans_up"),
    [
        ((), signal.SIGINT, True, True),
        (("-n2", "--alpine-platform=amd64,386"), signal.SIGINT, True, True),
        ((), signal.SIGTERM, True, False),
        ((), signal.SIGKILL, False, False),
        (("-n2", "--alpine-platform=amd64,386"), signal.SIGTERM, True, False),
        (("-n2", "--alpine-platform=amd64,386"), signal.SIGKILL, False, True),
    ],
    ids=["ctrl-c", "ctrl-c-n2", "sigterm", "kill-9", "sigterm-n2", "kill-9-of-the-controller"],
)
def test_a_run_that_is_ended(
    tmp_path: Path, args: tuple[str, ...], number: signal.Signals, *, to_all: bool, cleans_up: bool
) -> None:
    tests = 2 if "-n2" in args else 1
    with running(tmp_path / "living") as living, running(tmp_path / "ended", *args, tests=tests) as ended:
        (os.killpg if to_all else os.kill)(ended.process.pid, number)
        ended.process.wait(PATIENCE)
        wait_until(lambda: not any(map(is_running, ended.pids)))
        if cleans_up:
            assert not ended.containers & there()
        assert "Traceback" not in ended.said or number == signal.SIGKILL, ended.said
        (tmp_path / "test_next.py").write_text("def test_x(alpine_engine): ...\n")
        subprocess.run([sys.executable, "-m", "pytest", ARGS[0], "test_next.py"], cwd=tmp_path, check=True)
        assert not ended.containers & there()
        assert living.containers <= there()
    assert not living.containers & there()


def test_a_fixture_that_breaks(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile(
        """
from pathlib import Path
import pytest

@pytest.fixture
def app(alpine_container, alpine_container_per_test):
    Path("ids").write_text(f"{alpine_container.id} {alpine_container_per_test.id}")
    raise RuntimeError("a fixture that breaks")

@pytest.fixture
def late(alpine_container_per_test):
    yield
    raise RuntimeError("a fixture that breaks late")

def test_x(app): ...
def test_y(late): ...
"""
    )
    result = pytester.runpytest_subprocess(*ARGS, *xdist_args)
    result.assert_outcomes(errors=2, passed=1)
    assert not set((pytester.path / "ids").read_text().split()) & there()
