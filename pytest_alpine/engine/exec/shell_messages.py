"""Error messages of a persistent shell, changed to those of a shell that runs the command alone.

BusyBox's shell names the builtin that ran the command and the line of its own input: ``/bin/sh: eval: line 1302: x: not
found``, where ``sh -c`` says ``/bin/sh: x: not found``. The session knows on which line the command stood, so that
only messages about this very command are changed. Older ones count lines anew in every ``eval``, and stay as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.exec.command import SHELL

if TYPE_CHECKING:
    from pytest_alpine.engine.exec.command import Command

_PREFIX: Final = f"{SHELL}: ".encode()
_MESSAGE: Final = re.compile(rb"^%s([^\s:]+): line (\d+): " % _PREFIX, re.MULTILINE)


def plain_messages(output: bytes, command: Command, first_line: int) -> bytes:
    """Return *output* with the shell's messages as ``sh -c`` writes them.

    Args:
        output: what the command wrote to one of its outputs.
        command: what ran.
        first_line: the line of the session's input on which it began.
    """
    if _PREFIX not in output:
        return output
    line = isinstance(command.words, str)
    lines = command.words.count("\n") if isinstance(command.words, str) else 0
    # A message about an eval of the command's own cannot be told from one about the session's.
    wrapper = (b"" if "eval" in command.words else b"eval") if line else b"exec"

    def plain(found: re.Match[bytes]) -> bytes:
        number = int(found[2]) - first_line
        if not 0 <= number <= lines:
            return found[0]
        return _PREFIX if found[1] == wrapper else b"%s%s: line %d: " % (_PREFIX, found[1], number)

    return _MESSAGE.sub(plain, output)
