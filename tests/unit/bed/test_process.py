"""Daemons that the test bed starts and stops."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.bed import process
from tests.bed.state import BedError

SH = shutil.which("sh") or "/bin/sh"


def test_a_daemon_is_alive_until_it_is_stopped(bed: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    record = process.start("sleeper", [SH, "-c", f"echo hello; : >{ready}; exec sleep 60"], ready.exists)
    assert process.alive(record)
    assert os.getsid(record.pid) == record.pid
    process.stop(record)
    assert not process.alive(record)
    assert (bed / "logs" / "sleeper.log").read_text() == "hello\n"


def test_a_daemon_that_ignores_the_polite_signal_is_killed(bed: Path, tmp_path: Path) -> None:
    assert not bed.exists()
    ready = tmp_path / "ready"
    script = f"trap '' TERM; : >{ready}; while :; do sleep 0.1; done"
    record = process.start("stubborn", [SH, "-c", script], ready.exists)
    process.stop(record, timeout=0.3)
    assert not process.alive(record)


def test_a_daemon_that_ends_shows_the_end_of_its_log(bed: Path) -> None:
    with pytest.raises(BedError) as caught:
        process.start("failing", [SH, "-c", "echo no such disk; exit 3"], lambda: False)
    assert str(caught.value) == f"failing did not start; the end of {bed}/logs/failing.log:\nno such disk"


def test_a_daemon_that_is_never_ready_is_stopped(bed: Path, tmp_path: Path) -> None:
    assert not bed.exists()
    number = tmp_path / "pid"
    with pytest.raises(BedError, match="silent did not start"):
        process.start("silent", [SH, "-c", f"echo $$ >{number}; exec sleep 60"], lambda: False, timeout=0.5)
    assert not Path(f"/proc/{number.read_text().strip()}").exists()


@pytest.mark.parametrize("change", [{"started": 0}, {"boot": "another"}], ids=["later-process", "before-a-reboot"])
def test_a_number_used_again_is_another_process(bed: Path, tmp_path: Path, change: dict[str, object]) -> None:
    assert not bed.exists()
    ready = tmp_path / "ready"
    record = process.start("bystander", [SH, "-c", f": >{ready}; exec sleep 60"], ready.exists)
    stranger = dataclasses.replace(record, **change)  # type: ignore[arg-type]  # mypy does not follow the table
    assert not process.alive(stranger)
    process.stop(stranger)
    assert process.alive(record)
    process.stop(record)


def test_a_daemon_is_alive_as_long_as_one_of_its_threads(bed: Path, tmp_path: Path) -> None:
    assert not bed.exists()
    ready = tmp_path / "ready"
    program = f"""\
import ctypes, pathlib, threading, time
threading.Thread(target=lambda: (time.sleep(0.2), pathlib.Path({str(ready)!r}).touch(), time.sleep(60))).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    record = process.start("headless", [sys.executable, "-c", program], ready.exists)
    assert Path(f"/proc/{record.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    assert process.alive(record)
    process.stop(record)
    assert not process.alive(record)


def test_nothing_is_not_alive_and_need_not_be_stopped() -> None:
    assert not process.alive(None)
    process.stop(None)
