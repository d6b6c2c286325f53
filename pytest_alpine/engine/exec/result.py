"""The result of a command in a container, and its form in messages."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

from pytest_alpine.errors import EngineError

_SHOWN: Final = 400
_SHOWN_LINES: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class CommandResult:
    """The result of a command in a container."""

    command: str | tuple[str, ...]
    """A shell line, or the arguments of a program."""
    exit_code: int
    """The exit code, 0 to 255; 128 plus the number of the signal if a signal ended the process."""
    stdout_bytes: bytes
    stderr_bytes: bytes

    @property
    def stdout(self) -> str:
        """Standard output as text. Bytes that are not UTF-8 become surrogate escapes (PEP 383)."""
        return self.stdout_bytes.decode("utf-8", "surrogateescape")

    @property
    def stderr(self) -> str:
        """Standard error as text, like ``stdout``."""
        return self.stderr_bytes.decode("utf-8", "surrogateescape")

    def check(self) -> CommandResult:
        """Return this result if the command succeeded.

        Raises:
            EngineError: its exit code is not 0; the message shows the end of its standard error, or of its output.
        """
        if self.exit_code:
            said = last_lines(self.stderr_bytes) or last_lines(self.stdout_bytes) or "(no output)"
            raise EngineError(f"command failed with exit code {self.exit_code}: {shown(self.command)}\n{said}")
        return self

    def __repr__(self) -> str:
        streams = (f"{name}={_head(text)}" for name, text in (("stdout", self.stdout), ("stderr", self.stderr)))
        return f"CommandResult(command={self.command!r}, exit_code={self.exit_code}, {', '.join(streams)})"


def shown(command: str | tuple[str, ...]) -> str:
    """Return *command* in the form for messages."""
    return _head(command) if isinstance(command, str) else _head(shlex.join(command))


def last_lines(output: bytes) -> str:
    """Return the end of *output* in the form for messages."""
    text = output[-_SHOWN * 4 :].decode("utf-8", "backslashreplace").rstrip()
    return "\n".join(text.splitlines()[-_SHOWN_LINES:])


def _head(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}... ({len(text)} characters)"
