"""Killing what a command started, by a shell in the container: for engines that are far from its processes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.exec.scripts import KILL, SHELL

if TYPE_CHECKING:
    from pytest_alpine.engine.exec.process import Processes

_KILLING: Final = 30.0
_ROOT: Final = "0"


def kill_by_shell(processes: Processes, pid: int, *, itself: bool) -> None:
    """Kill what the process *pid* started; see ``Processes.kill``."""
    argv = [SHELL, "-c", KILL, SHELL, str(pid), *(["itself"] if itself else [])]
    stream = processes.start(argv, user=_ROOT).stream
    try:
        for _ in stream.receive(time.monotonic() + _KILLING):
            pass
    finally:
        stream.close()
