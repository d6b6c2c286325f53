"""Labels tell containers of dead runs from those of live ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from pytest_alpine.engine.labels import BOOT, HOST, PID, RUN, STARTED, is_dead, run_labels

SCRIPT = "import json; from pytest_alpine.engine.labels import run_labels; print(json.dumps(run_labels()))"


def labels_of_another() -> dict[str, str]:
    """Return the labels of a process that has ended."""
    found: dict[str, str] = json.loads(subprocess.check_output([sys.executable, "-c", SCRIPT]))
    return found


def test_labels_of_this_process() -> None:
    labels = run_labels()
    assert labels[PID] == str(os.getpid())
    assert labels == run_labels()
    assert all(labels.values())


def test_the_living_are_left() -> None:
    assert not is_dead(run_labels())


def test_the_dead_are_found() -> None:
    labels = labels_of_another()
    assert is_dead(labels)
    assert labels[RUN] != run_labels()[RUN]
    assert labels[HOST] == run_labels()[HOST]


def test_a_number_that_is_used_again() -> None:
    assert is_dead(labels_of_another() | {PID: str(os.getpid())})
    assert is_dead(run_labels() | {STARTED: "1"})


def test_a_machine_that_was_started_anew() -> None:
    assert is_dead(run_labels() | {BOOT: "another"})


def test_others_machines_are_left() -> None:
    assert not is_dead(labels_of_another() | {HOST: "another"})


def test_labels_that_tell_too_little() -> None:
    assert not is_dead({})
    assert not is_dead({**run_labels(), PID: "x"})


def test_a_zombie_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        labels = json.loads(child.stdout.read())
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet asked how
        assert is_dead(labels)
