"""The order in which cells are sent to xdist's workers."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.mirror import MIRROR

OFFICIAL = (f"--alpine-image=minirootfs:{MIRROR}", "--alpine-tag=3.20")


@pytest.mark.usefixtures("layout")
def test_the_cell_that_took_longest_last_time_comes_first(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import os, time
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(4))
def test_x(alpine_cell, number):
    with Path(os.environ.get("PYTEST_XDIST_WORKER", "main")).open("a") as file:
        file.write(alpine_cell.id + "\\n")
    time.sleep(2 if alpine_cell.id == "1.0-amd64" else 0)
"""
    )
    args = ("--alpine-image=oci:layout", "--alpine-tag=1.0,2.0", "--alpine-platform=all")
    pytester.runpytest_subprocess(*args).assert_outcomes(passed=12)
    known = json.loads((pytester.path / ".pytest_cache/v/alpine/seconds").read_text())
    assert set(known) == {"1.0-amd64", "1.0-arm64", "2.0-amd64"}
    assert known["1.0-amd64"] >= 2
    pytester.runpytest_subprocess("-n2", *args).assert_outcomes(passed=12)
    # Either worker may be ready first. Without stored durations, the first native cell would be the other one.
    sent = [(pytester.path / worker).read_text().split() for worker in ("gw0", "gw1")]
    assert "1.0-amd64" in {cells[0] for cells in sent}
    assert set(sent[0] + sent[1]) == set(known)


@pytest.mark.docker
@pytest.mark.official
@pytest.mark.parametrize("deadly", [0, 2])
def test_the_cell_of_a_crashed_worker_is_taken_over_and_its_container_removed(
    pytester: pytest.Pytester, deadly: int
) -> None:
    pytester.makepyfile(
        f"DEADLY = {deadly}"
        """
import os, signal
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(5))
def test_x(alpine_container, alpine_cell, number):
    with Path(f"{alpine_cell.platform.architecture}.txt").open("a") as file:
        file.write(f"{number} {os.environ['PYTEST_XDIST_WORKER']} {alpine_container.id}\\n")
    if alpine_cell.platform.architecture == "386" and number == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    result = pytester.runpytest_subprocess("-n2", *OFFICIAL, "--alpine-platform=amd64,386")
    result.assert_outcomes(passed=9, failed=1)
    result.stdout.fnmatch_lines([f"worker 'gw*' crashed while running '*test_x?3.20-386-{deadly}?'"])
    result.stdout.re_match_lines([r"3\.20 +5 passed +1 FAILED$", r" .*4 passed$"])
    lines = [line.split() for line in (pytester.path / "386.txt").read_text().splitlines()]
    assert [number for number, _, _ in lines] == ["0", "1", "2", "3", "4"], "the test that crashed is not run again"
    ran = [{worker for number, worker, _ in lines if (int(number) <= deadly) == before} for before in (True, False)]
    assert [len(workers) for workers in ran] == [1, 1]
    native = [line.split() for line in (pytester.path / "amd64.txt").read_text().splitlines()]
    there = subprocess.run(["docker", "ps", "-aq", "--no-trunc"], check=True, capture_output=True, text=True).stdout
    assert not {container for _, _, container in lines + native} & set(there.split())


@pytest.mark.docker
@pytest.mark.official
@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_stopping_at_the_first_failure(pytester: pytest.Pytester, option: str) -> None:
    pytester.makepyfile(
        """
from pathlib import Path

def test_a(alpine_container):
    with Path("ids").open("a") as file:
        file.write(alpine_container.id + "\\n")
    assert alpine_container.run("false").exit_code == 0

def test_b(alpine_container, alpine_container_per_test): ...
def test_c(alpine_container_per_test): ...
"""
    )
    result = pytester.runpytest_subprocess("-n2", option, *OFFICIAL, "--alpine-platform=amd64,386,arm64")
    assert result.ret == 2
    assert 1 <= result.parseoutcomes()["failed"] <= 2, "of each worker one at most"
    there = subprocess.run(["docker", "ps", "-aq", "--no-trunc"], check=True, capture_output=True, text=True).stdout
    assert not set((pytester.path / "ids").read_text().split()) & set(there.split())
