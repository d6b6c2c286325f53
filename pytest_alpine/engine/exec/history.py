"""The last commands that ran in a container, for the report of a test that failed."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.exec.result import CommandResult, last_lines, shown
from pytest_alpine.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.engine.exec.command import Command

_REMEMBERED: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class PastCommand:
    """A command that ran, and its result."""

    command: str | tuple[str, ...]
    seconds: float
    exit_code: int | None
    """None if the command was killed, or could not start."""
    said: str
    """The end of its outputs, or the error."""

    def __str__(self) -> str:
        end = "no exit code" if self.exit_code is None else f"exit code {self.exit_code}"
        lines = [f"{shown(self.command)}: {end} after {self.seconds:.3f} s", *self.said.splitlines()]
        return "\n    ".join(lines)


class CommandHistory:
    """Keeps the last commands, with the end of their outputs."""

    def __init__(self) -> None:
        self._past: deque[PastCommand] = deque(maxlen=_REMEMBERED)

    def __iter__(self) -> Iterator[PastCommand]:
        return iter(tuple(self._past))

    def add(self, command: Command, begun: float, end: CommandResult | BaseException) -> None:
        """Record that *command* has just ended.

        Args:
            command: what ran.
            begun: when it began, by ``time.monotonic()``.
            end: what it did, or the exception that it ended with.
        """
        outputs = (end.stdout_bytes, end.stderr_bytes) if isinstance(end, CommandResult) else (_reason(end).encode(),)
        past = PastCommand(
            command=command.words,
            seconds=time.monotonic() - begun,
            exit_code=end.exit_code if isinstance(end, CommandResult) else None,
            said="\n".join(filter(None, map(last_lines, outputs))),
        )
        self._past.append(past)


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, EngineError) else f"interrupted by {type(error).__name__}"
