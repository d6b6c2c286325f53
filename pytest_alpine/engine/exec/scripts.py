"""The scripts for ``/bin/sh`` in a container: POSIX shell, and builtins only, so that PATH does not matter.

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

# A line that uses its own process number needs a shell of its own: in a subshell, $$ is the number of the outer shell.
_OWN_PROCESS: Final = re.compile(r"\$\$|\$\{\$|PPID")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# The parsers of shells are slow on single words of many megabytes.
_PRINTED: Final = 1 << 16

# The shell's own messages are discarded, those of commands go to descriptor 4. A signal to the whole process group ends
# only the command, as trapped signals have their default effect in subshells. Commands stand on lines with high
# numbers, which messages about other scripts do not have.
START: Final = f": '{1000 * chr(10)}'; exec 4>&2 2>/dev/null; trap : HUP INT QUIT PIPE ALRM TERM USR1 USR2"

# Prints $1 and its own process number, and then becomes the program behind $1.
PRINT_PID: Final = 'echo "$1 $$" >&2; shift; exec "$@"'

# Sets $1 to the number of processes that can write to this shell's outputs; the shell itself is one of them.
HOLDERS: Final = (
    "set -- $(for p in /proc/[0-9]*; do "
    "[ $p/fd/1 -ef /proc/$$/fd/1 ] || [ $p/fd/2 -ef /proc/$$/fd/4 ] && echo x; done); set -- $#"
)

# Kills everything that the process $1 started, and everything in its session. With $2 it also kills $1, but last: a
# process in a session of its own is found by its parent alone. It repeats until no more processes turn up. See
# proc_pid_stat(5): the 4th field is the parent, the 6th the session, which outlives the parent.
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
    """Return how many lines of the *script* of *command* stand above the command itself, which comes last."""
    words = (command.words,) if isinstance(command.words, str) else command.words
    return script.count(b"\n") - sum(word.count("\n") for word in words)


def check_command(command: Command) -> None:
    """Check that *command* can be passed to a program, and to a shell.

    Raises:
        EngineError: an argument or value holds a NUL, there is no program, or a variable's name is invalid.
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
