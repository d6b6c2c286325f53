"""The command itself: it reads its arguments, runs one of its commands, and tells errors in one line.

Exit codes: 0 when nothing is found; 1 when a check finds something or two images differ; 2 when that cannot be told.
What can be told is printed in any case.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
from typing import TYPE_CHECKING

from pytest_alpine import __version__
from pytest_alpine.cli import cache, check, compare, facts, sizes
from pytest_alpine.cli.output import ERROR, OK, tell_error
from pytest_alpine.errors import AlpineError
from pytest_alpine.image.access import Access

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = (facts, check, sizes, compare, cache)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, those of the process when None, and return its exit code."""
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # names in an image may hold what the terminal's encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code: int = options.run(options, _access(options))
        sys.stdout.flush()
    except AlpineError as error:
        tell_error(error)
        return ERROR
    except BrokenPipeError:  # the reader, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code


def _access(options: argparse.Namespace) -> Access:
    # Commands that read no image have no options of the network.
    network = {name: getattr(options, name) for name in ("pull", "pull_timeout") if name in options}
    return Access(progress=_say, **network)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pytest-alpine", description="Facts and checks of Alpine container images.")
    parser.add_argument("--version", action="version", version=f"pytest-alpine {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return parser


def _say(text: str) -> None:
    """Show a long step on a line of the terminal, which the next step overwrites."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}\r", end="", file=sys.stderr, flush=True)
