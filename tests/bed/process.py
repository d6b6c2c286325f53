"""Daemons: started detached from the caller, recognised later, and stopped by a signal."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bed.state import BedError, ProcessRecord, folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TAIL = 15  # lines of a daemon's log worth showing when it fails
POLL = 0.05  # seconds


def start(name: str, command: Sequence[str], ready: Callable[[], bool], timeout: float = 60) -> ProcessRecord:
    """Run *command*, which begins with a full path, as a daemon; return when *ready* says yes.

    Raises:
        BedError: it ended, or was not ready within *timeout* seconds; the end of its log is shown.
    """
    log = folder() / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    record = _look(_spawn(command, log))[1]
    deadline = time.monotonic() + timeout
    while not ready():
        if not alive(record) or time.monotonic() > deadline:
            stop(record)
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-TAIL:])
            raise BedError(f"{name} did not start; the end of {log}:\n{tail}")
        time.sleep(POLL)
    return record


def alive(record: ProcessRecord | None) -> bool:
    """Whether any thread of exactly this process still runs; a zombie has none."""
    if record is None:
        return False
    try:
        runs, found = _look(record.pid)
    except OSError:
        return False
    return found == record and runs


def is_running(pid: int, program: str) -> bool:
    """Whether process *pid* runs *program*, by the kernel's name of the process."""
    try:
        return _look(pid)[0] and Path(f"/proc/{pid}/comm").read_text().rstrip("\n") == program
    except OSError:
        return False


def stop(record: ProcessRecord | None, timeout: float = 60) -> None:
    """End a process that the test bed started: by SIGTERM, then, after *timeout* seconds, by SIGKILL."""
    if record is None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        if alive(record):
            os.kill(record.pid, number)
        deadline = time.monotonic() + timeout
        while alive(record) and time.monotonic() < deadline:
            time.sleep(POLL)
    _reap(record)


def stop_group(record: ProcessRecord | None) -> None:
    """End a process that the test bed started, and all others in its process group."""
    stop(record)
    if record is not None:
        with suppress(OSError):
            if _is_number_of(record):
                os.killpg(record.pid, signal.SIGKILL)


def _is_number_of(record: ProcessRecord) -> bool:
    """Whether the number of *record* still belongs to the same process."""
    try:
        return _look(record.pid)[1] == record
    except OSError:
        return record.boot == _boot()


def _spawn(command: Sequence[str], log: Path) -> int:
    """Run *command* with its output in *log*; its process ID."""
    with Path(os.devnull).open("rb") as nothing, log.open("wb") as output:
        # Not subprocess.Popen, whose objects warn when they are deleted while the process still runs. A session
        # of its own, so that it outlives the terminal, and Ctrl-C for the tests does not reach it.
        streams = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), 0)]
        streams += [(os.POSIX_SPAWN_DUP2, output.fileno(), number) for number in (1, 2)]
        # Containers inherit the signals that an engine ignores, as under nohup.
        signals = signal.valid_signals()
        return os.posix_spawn(
            command[0], list(command), os.environ, file_actions=streams, setsid=True, setsigdef=signals
        )


def _reap(record: ProcessRecord) -> None:
    """Wait for the process if it is a child of this one, because it would stay as a zombie."""
    try:
        if _look(record.pid)[1] == record:
            os.waitpid(record.pid, os.WNOHANG)
    except OSError:
        return


def _look(pid: int) -> tuple[bool, ProcessRecord]:
    """Whether process *pid* runs, by proc(5), and who it is; OSError if there is none."""
    # The command name is in brackets and may contain any character, so the fields are counted after it.
    stat = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    # The first thread may be dead while another one still keeps the resources of the process, such as its port.
    runs = stat[0] not in "ZX" or int(stat[17]) > 1
    return runs, ProcessRecord(pid=pid, started=int(stat[19]), boot=_boot())


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
