"""What an engine that was killed leaves, which keeps the next one from starting."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.bed import docker, process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def named(tmp_path: Path) -> Iterator[Callable[[str], int]]:
    """Start a process of that name; return its number."""
    started = []

    def start(name: str) -> int:
        program = shutil.copy(shutil.which("sleep") or "/bin/sleep", tmp_path / name)
        started.append(subprocess.Popen([program, "60"]))
        return started[-1].pid

    yield start
    for one in started:
        one.kill()
        one.wait()


@pytest.mark.parametrize("program", ["dockerd", "containerd"])
@pytest.mark.parametrize("case", ["running", "another-program", "dead", "nobody", "no-number"])
def test_a_number_in_a_file(named: Callable[[str], int], tmp_path: Path, program: str, case: str) -> None:
    run, pid_file = tmp_path / "run", tmp_path / "docker.pid"
    path = pid_file if program == "dockerd" else run / "containerd" / "containerd.pid"
    path.parent.mkdir(parents=True, exist_ok=True)
    pid = named("sleeper" if case == "another-program" else program)
    if case == "dead":
        os.kill(pid, 9)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # nobody collects it
    number = {"nobody": str(1 << 30), "no-number": "x"}.get(case, str(pid))
    path.write_text(number)
    deadline = time.monotonic() + 5
    while case == "running" and not process.is_running(pid, program):
        assert time.monotonic() < deadline
    docker.forget_dead(run, pid_file)
    assert path.exists() == (case in {"running", "no-number"})
