"""The processes of a container on this machine, as its own ``/proc`` shows them.

Specs: proc(5); proc_pid_stat(5), whose 4th field is the parent and whose 6th is the session, which outlives the
parent; https://docs.kernel.org/filesystems/proc.html for ``smaps_rollup``.
"""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Repeats until there are no new processes, because processes may start others while they are killed.
_ROUNDS: Final = 5
_DYING: Final = 1.0
_DEAD: Final = ("Z", "X")
_PSS: Final = re.compile(rb"^Pss:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessState:
    """The state of one process."""

    pid: int
    state: str
    """The letter of the state, such as ``Z`` for a zombie."""
    parent: int
    session: int


def parse_state(line: str) -> ProcessState | None:
    """Return the state in *line*, the content of ``/proc/PID/stat``; None if it cannot be parsed."""
    # The name is in brackets and may contain any character.
    head, _, rest = line.rpartition(")")
    fields = rest.split()
    pid = head.partition(" ")[0]
    if not pid.isdecimal() or len(fields) < 4:  # noqa: PLR2004 - state, parent, group, session
        return None
    return ProcessState(pid=int(pid), state=fields[0], parent=int(fields[1]), session=int(fields[3]))


def descendants(root: int, processes: Iterable[ProcessState]) -> set[int]:
    """Return the numbers of all living *processes* that *root* started or in their sessions, without *root*."""
    living = [process for process in processes if process.state != "Z"]
    tree = {root}
    while True:
        more = {each.pid for each in living if each.parent in tree or each.session in tree} - tree
        if not more:
            return tree - {root}
        tree |= more


class ProcFS:
    """The ``/proc`` of one container, with the numbers that its processes have there."""

    def __init__(self, descriptor: int) -> None:
        """Take over *descriptor* of the directory, which ``close`` closes."""
        self._descriptor = descriptor

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def kill(self, pid: int, *, itself: bool) -> None:
        """Kill the processes that *pid* started, and with *itself* also *pid*."""
        for _ in range(_ROUNDS):
            found = descendants(pid, self._states())
            targets = sorted({pid} | found if itself else found)
            for each in targets:  # a stopped process starts no other one, and does not continue when its child ends
                self._signal(each, signal.SIGSTOP)
            # The youngest first, and each until it has ended, so that a shell writes about the end of its child last.
            for each in reversed(targets):
                self._signal(each, signal.SIGKILL)
                self._await_end(each)
            if not found:
                return

    def memory(self) -> int:
        """Return the bytes that all processes use. Each shared page is divided among the processes that share it."""
        return 1024 * sum(int(found[1]) for text in self._texts("smaps_rollup") if (found := _PSS.search(text)))

    def _await_end(self, pid: int) -> None:
        deadline = time.monotonic() + _DYING
        while time.monotonic() < deadline:
            states = [state.state for state in self._states() if state.pid == pid]
            if not states or states[0] in _DEAD:
                return

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with suppress(OSError):  # it has ended by itself
            directory = os.open(str(pid), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._descriptor)
            try:
                # By the directory, which stays that of this very process when its number is used again.
                signal.pidfd_send_signal(directory, number)
            finally:
                os.close(directory)

    def _states(self) -> list[ProcessState]:
        texts = self._texts("stat")
        return [state for text in texts if (state := parse_state(text.decode(errors="replace"))) is not None]

    def _texts(self, name: str) -> Iterator[bytes]:
        """Yield the content of the file *name* of every process."""
        top = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._descriptor)
        try:
            with os.scandir(top) as entries:
                pids = [entry.name for entry in entries if entry.name.isdecimal()]
            for pid in pids:
                with suppress(OSError):  # it has ended
                    descriptor = os.open(f"{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=top)
                    with os.fdopen(descriptor, "rb") as stream:
                        yield stream.read()
        finally:
            os.close(top)
