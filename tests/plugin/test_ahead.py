"""What starts before a test asks for it, and how many containers a run starts in all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.mirror import MIRROR

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.docker, pytest.mark.official]

# Writes down each start and each end of a container, in every process that runs tests.
CONFTEST = """
import os
from pathlib import Path
from pytest_alpine.engine.docker.container import DockerContainer
from pytest_alpine.engine.docker.engine import DockerEngine

LOG = Path(__file__).with_name("log")

def note(line):
    with LOG.open("a") as file:
        file.write(f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')} {line}\\n")

start, stop = DockerEngine.start, DockerContainer.stop

def noting_start(self, image):
    container = start(self, image)
    note(f"started {container.id[:12]} {image.platform}")
    return container

def noting_stop(self):
    stop(self)
    note(f"stopped {self.id[:12]}")

DockerEngine.start, DockerContainer.stop = noting_start, noting_stop
"""

ARGS = (f"--alpine-image=minirootfs:{MIRROR}", "--alpine-tag=3.20", "-p", "no:cacheprovider")


def log_of(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def test_each_container_starts_once_and_all_are_stopped(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        """
import pytest

@pytest.mark.parametrize("number", range(2))
def test_shared(alpine_container, number): assert alpine_container.run("true").exit_code == 0

def test_fresh(alpine_container_per_test): alpine_container_per_test.write("/used", "x")

def test_skipped_late(alpine_cell, request):
    pytest.skip("before it asks")
    request.getfixturevalue("alpine_container_per_test")

@pytest.mark.skip
def test_skipped(alpine_container_per_test): ...

@pytest.mark.parametrize("number", range(3))
def test_fresh_again(alpine_container_per_test, number):
    assert alpine_container_per_test.run("test -e /used").exit_code == 1
    alpine_container_per_test.write("/used", "x")
"""
    )
    result = pytester.runpytest_subprocess(*ARGS, "--alpine-platform=amd64,386", *xdist_args)
    result.assert_outcomes(passed=12, skipped=4)
    log = log_of(pytester.path)
    started = [line.split()[2] for line in log if " started " in line]
    stopped = [line.split()[2] for line in log if " stopped " in line]
    assert len(started) == len(set(started)) == 2 * (1 + 4)
    assert sorted(started) == sorted(stopped)


def test_the_next_cell_starts_while_one_is_tested(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        """
import os, time
from conftest import LOG

def test_x(alpine_container):
    own = os.environ.get("PYTEST_XDIST_WORKER", "main") + " started"
    deadline = time.monotonic() + 60
    while LOG.read_text().count(own) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
"""
    )
    result = pytester.runpytest_subprocess(*ARGS, "--alpine-platform=amd64,386,arm64,s390x", *xdist_args)
    result.assert_outcomes(passed=4)


def test_a_failed_start_is_told_by_each_test_that_needs_it(
    pytester: pytest.Pytester, xdist_args: tuple[str, ...]
) -> None:
    pytester.makeconftest(
        """
from pytest_alpine import ContainerStartError
from pytest_alpine.engine.docker.engine import DockerEngine

start = DockerEngine.start

def failing(self, image):
    if str(image.platform) == "linux/386":
        raise ContainerStartError("this one does not start")
    return start(self, image)

DockerEngine.start = failing
"""
    )
    pytester.makepyfile(
        "def test_a(alpine_container): ...\n"
        "def test_b(alpine_container): ...\n"
        "def test_c(alpine_container_per_test): ...\n"
        "def test_d(alpine_image): ...\n"
    )
    result = pytester.runpytest_subprocess(*ARGS, "--alpine-platform=386,amd64", *xdist_args)
    result.assert_outcomes(passed=5, errors=3)
    told = "minirootfs:*:3.20 (linux/386): this one does not start"
    result.stdout.fnmatch_lines([told, told, told])


@pytest.mark.parametrize("failures", [1, 2], ids=["at-first", "again"])
def test_what_cannot_be_cleaned_up_is_tried_again_and_told(
    pytester: pytest.Pytester, xdist_args: tuple[str, ...], failures: int
) -> None:
    pytester.makeconftest(
        f"FAILURES = {failures}"
        """
from pytest_alpine import EngineError
from pytest_alpine.engine.docker.container import DockerContainer

stop = DockerContainer.stop
calls = []

def failing(self):
    calls.append(self)
    if len(calls) > 1:
        stop(self)
    if len(calls) <= FAILURES:
        raise EngineError("this one does not stop")

DockerContainer.stop = failing
"""
    )
    pytester.makepyfile("def test_x(alpine_container): ...")
    result = pytester.runpytest_subprocess(*ARGS, *xdist_args)
    result.assert_outcomes(passed=1)
    if failures == 1:
        result.stdout.no_fnmatch_line("*not cleaned up*")
    else:
        result.stdout.fnmatch_lines(["*alpine: not cleaned up*", "this one does not stop"])
