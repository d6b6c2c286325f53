"""Processes in a container: the contract that each engine implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.engine.exec.command import Program

STDOUT: Final = 1
STDERR: Final = 2


class ProcessStream(Protocol):
    """The standard input and outputs of a process. Deadlines are times of ``time.monotonic()``."""

    def send(self, data: bytes, deadline: float) -> None:
        """Write *data* to its standard input.

        Raises:
            TimeoutError: the deadline has passed.
            OSError: the process has ended, or the connection broke.
        """
        ...

    def end_input(self) -> None:
        """Close its standard input.

        Raises:
            OSError: the process has ended, or its input cannot be closed alone.
        """
        ...

    def receive(self, deadline: float) -> Iterator[tuple[int, bytes]]:
        """Yield what it writes as it arrives, until it has ended: ``STDOUT`` or ``STDERR``, and the bytes.

        A caller that stops reading in the middle gets the rest from the next call.

        Raises:
            TimeoutError: the deadline has passed.
            OSError: the connection broke.
        """
        ...

    def close(self) -> None:
        """Close the connection to the process."""
        ...


class Process(Protocol):
    """A process in a container."""

    @property
    def stream(self) -> ProcessStream:
        """Its standard input and outputs."""
        ...

    def exit_code(self) -> int:
        """Return its exit code, once its stream has ended."""
        ...


class Processes(Protocol):
    """Starts processes in one container."""

    def start(self, program: Program) -> Process:
        """Start *program*.

        Raises:
            EngineError: the engine refused, for example because the container has stopped.
        """
        ...

    def kill(self, pid: int, *, itself: bool = False) -> None:
        """Kill what the process *pid* in the container started, and with *itself* that process, too.

        Raises:
            EngineError: the engine refused.
        """
        ...

    def why_stopped(self) -> str | None:
        """Return why the container stopped; None while it runs."""
        ...
