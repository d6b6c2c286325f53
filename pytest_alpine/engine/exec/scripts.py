"""Scripts for ``/bin/sh`` in a container: POSIX shell with builtins only, which work with an empty PATH.

Spec: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.exec.command import SHELL
from pytest_alpine.errors import EngineError

if TYPE_CHECKING:
    from pytest_alpine.engine.exec.command import Command

# A line that uses its own process number needs a new shell: in a subshell, $$ is the number of the outer shell.
_OWN_PROCESS: Final = re.compile(r"\$\$|\$\{\$|PPID")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# A shell's parser is slow on single words of many megabytes.
_PRINTED: Final = 1 << 16

# The shell's own messages go nowhere, the commands' to 4. A signal to the whole group ends only the command: what is
# trapped here has its default effect again in subshells. Commands stand on lines with high numbers, which messages
# about other scripts do not have.
START: Final = f": '{1000 * chr(10)}'; exec 4>&2 2>/dev/null; trap : HUP INT QUIT PIPE ALRM TERM USR1 USR2"

# Prints $1 and its own process number, and then becomes the program behind $1.
PRINT_PID: Final = 'echo "$1 $$" >&2; shift; exec "$@"'

# How many processes write into this shell's outputs, one line each; the shell itself is one of them.
HOLDERS: Final = (
    "set -- $(for p in /proc/[0-9]*; do "
    "[ $p/fd/1 -ef /proc/$$/fd/1 ] || [ $p/fd/2 -ef /proc/$$/fd/4 ] && echo x; done); set -- $#"
)

# Kills all processes that $1 started, and those in its session; with $2, kills $1 too, and last, because a process that
# starts its own session is found by its parent only. Repeats until there are no new numbers. proc_pid_stat(5) contains
# parents (4th field), and sessions (6th), which outlive them.
KILL: Final = """
itself=$2 round=0
[ "$itself" ] && kill -STOP "$1"
while [ $round -lt 5 ]; do
  tree=" $1 " found=x
  while [ "$found" ]; do
    found=
    for stat in /proc/[0-9]*/stat; do
      { read -r line <"$stat"; } 2>/dev/null || continue
      pid=${stat#/proc/} pid=${pid%/stat} root=$1
      set -- ${line##*) }
      state=$1 parent=$2 session=$4
      set -- "$root"
      case "$state$tree" in Z*|*" $pid "*) continue;; esac
      case "$tree" in *" $parent "*|*" $session "*) tree="$tree$pid " found=x;; esac
    done
  done
  [ "$tree" = " $1 " ] && break
  kill -9 ${tree#" $1 "} 2>/dev/null
  round=$((round + 1))
done
[ "$itself" ] && kill -9 "$1"
"""


def command_script(command: Command) -> bytes:
    """Return the script that runs *command* in a subshell, and leaves its exit code in ``$?``.

    The shell that reads the script decides on the user.
    """
    words = []
    if command.workdir is not None:
        words.append(f"cd -- {shlex.quote(command.workdir)} || exit 126")
    words += [f"export {name}={shlex.quote(value)}" for name, value in command.env.items()]
    words.append(_inner(command.words))
    body = f"( {'; '.join(words)} ) 2>&4 4>&-".encode("utf-8", "surrogateescape")
    return body + b" </dev/null" if command.stdin is None else b"{ " + _printing(command.stdin) + b" } 4>&- | " + body


def lines_before(script: bytes, command: Command) -> int:
    """Return the number of lines in the *script* of *command* before the command itself, which is last."""
    words = (command.words,) if isinstance(command.words, str) else command.words
    return script.count(b"\n") - sum(word.count("\n") for word in words)


def check_command(command: Command) -> None:
    """Check that the options of *command* can be passed to a program and to a shell.

    Raises:
        EngineError: a NUL in an argument or value, no program at all, or a name that is no variable's.
    """
    for name in command.env:
        if not _NAME.fullmatch(name):
            raise EngineError(f"invalid environment variable: {name!r} (expected letters, digits and _)")
    words = (command.words,) if isinstance(command.words, str) else command.words
    if not words:
        raise EngineError("no command: the list is empty (expected a program and its arguments)")
    for word in (*words, *command.env.values()):
        if "\0" in word:
            raise EngineError(f"invalid argument: {word!r:.80} holds a NUL, which ends arguments; use stdin")


def _inner(command: str | tuple[str, ...]) -> str:
    if not isinstance(command, str):
        return f"exec {shlex.join(command)}"
    if _OWN_PROCESS.search(command):
        return f"exec {SHELL} -c {shlex.quote(command)}"
    return f"eval {shlex.quote(command)}"


def _printing(data: bytes) -> bytes:
    """Return commands that print *data*."""
    pieces = (data[start : start + _PRINTED] for start in range(0, len(data), _PRINTED))
    return b"".join(b"printf '%b' '" + _escaped(piece) + b"'; " for piece in pieces) or b":; "


_ESCAPES: Final = {byte: f"\\0{byte:03o}".encode() for byte in (*b"\0\\'\r", 0x81, 0x82, 0x88)}


def _escaped(data: bytes) -> bytes:
    return b"".join(_ESCAPES.get(byte, bytes([byte])) for byte in data)
