"""Protocols that each engine implements: processes in a container, and their streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.engine.exec.command import Program

STDOUT: Final = 1
STDERR: Final = 2


class ProcessStream(Protocol):
    """The standard streams of a process. Deadlines are values of ``time.monotonic()``."""

    def send(self, data: bytes, deadline: float) -> None:
        """Write *data* to its standard input.

        Raises:
            TimeoutError: the deadline has passed.
            OSError: it is gone.
        """
        ...

    def end_input(self) -> None:
        """Close its standard input.

        Raises:
            OSError: it is gone, or its input cannot be closed alone.
        """
        ...

    def receive(self, deadline: float) -> Iterator[tuple[int, bytes]]:
        """Yield the output as it arrives: 1 for standard output or 2 for standard error, and the bytes, until the end.

        A caller that stops early gets the rest from the next call.

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
        """The standard streams of the process."""
        ...

    def exit_code(self) -> int:
        """Return the exit code; to be called after the end of its stream."""
        ...


class Processes(Protocol):
    """Starts processes in one container."""

    def start(self, program: Program) -> Process:
        """Start *program*.

        Raises:
            EngineError: the engine refused, as it does when the container has stopped.
        """
        ...

    def kill(self, pid: int, *, itself: bool = False) -> None:
        """Kill the processes that *pid* in the container started, and with *itself* also *pid*.

        Raises:
            EngineError: the engine refused.
        """
        ...

    def why_stopped(self) -> str | None:
        """Return why the container stopped; None while it runs."""
        ...
