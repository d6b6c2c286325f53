"""A process in a container, and what it reads and writes: what each engine implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.engine.exec.command import Program

STDOUT: Final = 1
STDERR: Final = 2


class ProcessStream(Protocol):
    """What a process reads and writes. Deadlines are as ``time.monotonic()`` counts."""

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
        """Yield what it wrote, as it comes: 1 or 2 for which output, and the bytes; nothing more when it has ended.

        Who stops reading in the middle gets the rest from the next call.

        Raises:
            TimeoutError: the deadline has passed.
            OSError: the connection broke.
        """
        ...

    def close(self) -> None:
        """Let go of the process."""
        ...


class Process(Protocol):
    """A process in a container."""

    @property
    def stream(self) -> ProcessStream:
        """What it reads and writes."""
        ...

    def exit_code(self) -> int:
        """Return how it ended, after its stream has."""
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
        """Kill what the process *pid* in the container started, and the process *itself* where asked for.

        Raises:
            EngineError: the engine refused.
        """
        ...

    def why_stopped(self) -> str | None:
        """Return why the container stopped; None while it runs."""
        ...
