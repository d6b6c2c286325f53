"""Daemons that listen on a port of loopback: the same port every time, unless another program uses it."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

from tests.bed import process
from tests.bed.state import BedError, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOOPBACK = "127.0.0.1"  # a Docker engine pulls from all of 127.0.0.0/8 without a setting
ATTEMPTS = 3


def start(name: str, state: State, command: Callable[[int], Sequence[str]]) -> None:
    """Start the daemon *name*; *command* gets the port and returns what to run, which begins with a full path.

    Raises:
        BedError: it does not start.
    """
    for attempt in range(ATTEMPTS):
        # Try the last port first, so that references to it stay valid.
        port = state.ports.get(name, 0) if attempt == 0 else 0
        port = port if port and _free(port) else _free_port()
        try:
            state.processes[name] = process.start(name, command(port), partial(_answers, port))
        except BedError:
            if attempt == ATTEMPTS - 1:
                raise
            continue  # someone else took the port in between
        state.ports[name] = port
        return


def _answers(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
