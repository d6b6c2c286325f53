"""The processes of a container of this machine, by its own ``/proc``: who they are, what they use, and their end.

Specs: proc(5); https://docs.kernel.org/filesystems/proc.html for ``smaps_rollup``
"""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.bubblewrap.descendants import ProcessState, descendants, parse_state

if TYPE_CHECKING:
    from collections.abc import Iterator

# Numbers are collected until no more turn up: processes may start others while they are killed.
_ROUNDS: Final = 5
_DYING: Final = 1.0
_DEAD: Final = ("Z", "X")
_PSS: Final = re.compile(rb"^Pss:\s+(\d+) kB$", re.MULTILINE)


class ProcFS:
    """A ``/proc`` that shows the processes of one container, by the numbers that they have there."""

    def __init__(self, descriptor: int) -> None:
        """Look into the directory *descriptor*, which is closed with this object."""
        self._descriptor = descriptor

    def close(self) -> None:
        """Let go of the directory; closing again does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def kill(self, pid: int, *, itself: bool) -> None:
        """Kill what the process *pid* started, and the process *itself* where asked for."""
        for _ in range(_ROUNDS):
            found = descendants(pid, self._states())
            targets = sorted({pid} | found if itself else found)
            for each in targets:  # none starts another one, or goes on because its child has ended
                self._signal(each, signal.SIGSTOP)
            # The youngest first, each until it is dead: what a shell says when its child has ended comes last.
            for each in reversed(targets):
                self._signal(each, signal.SIGKILL)
                self._await_end(each)
            if not found:
                return

    def memory(self) -> int:
        """Return the bytes that all processes use, each page that several share divided between them."""
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
