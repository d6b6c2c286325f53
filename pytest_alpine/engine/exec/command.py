"""Commands and programs for a container, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SHELL: Final = "/bin/sh"

TIMEOUT: Final = 60.0
"""The default timeout of a command, in seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command with its options; ``Container.run`` explains them."""

    words: str | tuple[str, ...]
    """A text is a line for ``/bin/sh``; a tuple is a program and its arguments."""
    timeout: float = TIMEOUT
    """Seconds."""
    user: str | None = None
    workdir: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes | None = None
    tty: bool = False

    @property
    def argv(self) -> tuple[str, ...]:
        """The program that runs the command, and its arguments."""
        return (SHELL, "-c", self.words) if isinstance(self.words, str) else self.words


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program that an engine starts in a container, with the options of a ``Command``."""

    argv: tuple[str, ...]
    user: str | None = None
    workdir: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: bool = False
    """Whether data will be written to its standard input, which is else empty."""
    tty: bool = False
