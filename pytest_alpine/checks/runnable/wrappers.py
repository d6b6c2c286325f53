"""Programs that do nothing but start another one: what that is, on which PATH it is looked for, and as which user.

Where an option is not known, nothing is said: a guess would be a false alarm.
Specs: the manuals of tini, dumb-init, catatonit, su-exec, gosu, BusyBox, coreutils, util-linux, s6 and execline.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import dataclass, replace
from getopt import GetoptError, getopt
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.runnable.shell_line import OPAQUE, first_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command that an image starts."""

    words: tuple[str, ...]
    path: tuple[str, ...]
    """The folders in which a bare name is looked for."""
    user: str | None
    """As USER is written in a Dockerfile; None where nobody knows it."""
    in_shell: bool = False
    """Whether it stands in a line of shell. A shell runs a file itself that the kernel does not know how to run."""
    opened: bool = False
    """Whether its first word is a file that a shell reads, and that needs no execute bit."""
    path_known: bool = True
    """Whether PATH is certain: what a login shell reads may change it."""


@dataclass(frozen=True, slots=True)
class _Wrapper:
    options: str = ""
    """Short options as getopt(3) writes them."""
    long: tuple[str, ...] = ()
    """Long options; one that takes a value ends with ``=``."""
    operands: int = 0
    """How many words follow the options before the command."""
    user: str | None = ""
    """``operand`` where the first operand names the user, None where another one is taken; empty where none is."""


_SETPRIV: Final = (
    "clear-groups keep-groups init-groups no-new-privs nnp reset-env ruid= euid= rgid= egid= reuid= regid= groups= "
    "inh-caps= ambient-caps= bounding-set= securebits= pdeathsig= selinux-label= apparmor-profile="
)
_AS_USER: Final = _Wrapper(operands=1, user="operand")
_TINI: Final = _Wrapper("swgvp:e:")
_WRAPPERS: Final[Mapping[str, _Wrapper]] = {
    "tini": _TINI,
    "tini-static": _TINI,
    "docker-init": _TINI,
    "dumb-init": _Wrapper("cvr:", ("single-child", "verbose", "rewrite=")),
    "catatonit": _Wrapper("gL"),
    "su-exec": _AS_USER,
    "gosu": _AS_USER,
    "setuidgid": _AS_USER,
    "s6-setuidgid": _AS_USER,
    "s6-applyuidgid": _Wrapper("zUu:g:G:", user=None),
    "setpriv": _Wrapper("", tuple(_SETPRIV.split()), user=None),
    "nice": _Wrapper("n:0123456789", ("adjustment=",)),
    "ionice": _Wrapper("tc:n:", ("class=", "classdata=", "ignore")),
    "timeout": _Wrapper("fvs:k:", ("foreground", "preserve-status", "verbose", "signal=", "kill-after="), operands=1),
    "nohup": _Wrapper(),
    "setsid": _Wrapper("cfw", ("ctty", "fork", "wait")),
    "stdbuf": _Wrapper("i:o:e:", ("input=", "output=", "error=")),
    "with-contenv": _Wrapper(),
    "fdmove": _Wrapper("c", operands=2),
}
_CHROOT: Final = _Wrapper("", ("userspec=", "groups=", "skip-chdir"), operands=1, user=None)
_ENV: Final = ("i0vu:C:", ("ignore-environment", "null", "debug", "unset=", "chdir="))
_SPLIT: Final = re.compile(r"(?:-([iv0]*)S|--split-string=)(.*)", re.DOTALL)
# Where execvp(3) of musl looks when there is no PATH.
_NO_PATH: Final = ("/usr/local/bin", "/bin", "/usr/bin")

SHELLS: Final = frozenset({"sh", "ash", "bash", "dash"})
"""The names of shells whose options are known."""

_SHELL_LONG: Final = frozenset({"--noprofile", "--norc", "--posix"})
_BUILT_IN: Final = (
    ". alias bg break builtin caller case cd chdir command continue coproc declare dirs disown do echo enable eval "
    "exec exit export false fg for function getopts hash help history if jobs kill let local mapfile popd printf pushd "
    "pwd read readarray readonly return select set shift shopt source test time times trap true type typeset ulimit "
    "umask unalias unset until wait while"
)
_OF_THE_SHELL: Final = frozenset(_BUILT_IN.split())
_PLAIN: Final = re.compile(r"[\w./+-]+")


def started_by(command: Command, env: Mapping[str, str]) -> Command | None:
    """Return the command that *command* only starts; None where it does more, or that is not known.

    Args:
        command: what is started.
        env: the variables of the image.
    """
    name = posixpath.basename(command.words[0])
    arguments = command.words[1:]
    try:
        if name in SHELLS:
            return _by_shell(command, name, arguments, env)
        inner = replace(command, in_shell=False, words=())
        if name == "env":
            return _by_env(inner, arguments)
        if name == "busybox" and arguments[:1] and arguments[0] in {*SHELLS, "env", *_WRAPPERS}:
            return started_by(replace(command, words=arguments), env)
        wrapper = _CHROOT if name == "chroot" else _WRAPPERS.get(name)
        return _by_wrapper(inner, wrapper, arguments) if wrapper is not None else None
    except (GetoptError, ValueError, IndexError):
        return None


def _by_wrapper(inner: Command, wrapper: _Wrapper, arguments: Sequence[str]) -> Command | None:
    _, left = getopt(list(arguments), wrapper.options, wrapper.long)
    operands, words = left[: wrapper.operands], left[wrapper.operands :]
    if wrapper is _CHROOT and operands != ["/"]:
        return None  # names mean other files there
    user = operands[0] if wrapper.user == "operand" and operands else inner.user if wrapper.user == "" else None
    return _known(replace(inner, words=tuple(words), user=None if user == OPAQUE else user))


def _by_env(inner: Command, arguments: Sequence[str]) -> Command | None:
    split = _SPLIT.fullmatch(arguments[0]) if arguments else None
    if split is not None:
        text, left = (split[2], arguments[1:]) if split[2] else (arguments[1], arguments[2:])
        words = [f"-{split[1]}"] * bool(split[1]) + [*shlex.split(text), *left]
        if any(map(_SPLIT.fullmatch, words)):
            return None  # nobody splits twice, and a thousand times would end the stack
        return _by_env(inner, words)
    options, words = getopt(list(arguments), *_ENV)
    names = {name for name, _ in options}
    if names & {"-C", "--chdir"}:
        return None  # relative paths mean other files there
    no_path = ("-u", "PATH") in options or ("--unset", "PATH") in options or words[:1] == ["-"]
    path = _NO_PATH if no_path or names & {"-i", "--ignore-environment"} else inner.path
    words = words[1:] if words[:1] == ["-"] else words
    while words and "=" in words[0]:
        variable, _, value = words.pop(0).partition("=")
        path = tuple(value.split(":")) if variable == "PATH" else path
    return _known(replace(inner, words=tuple(words), path=path))


def _by_shell(command: Command, name: str, arguments: Sequence[str], env: Mapping[str, str]) -> Command | None:
    """Return what a shell starts; see its ``-c``, and ``sh FILE``."""
    left = list(arguments)
    login = bool(name == "bash" and env.get("BASH_ENV"))
    is_line = False
    while left and left[0][:1] in {"-", "+"} and left[0] not in {"-", "--"}:
        word = left.pop(0)
        login = login or word == "--login"
        if word in {*_SHELL_LONG, "--login"}:
            continue
        if re.fullmatch(r"[-+][abefhklmpuvxBCEHPTco]+", word) is None:
            return None
        del left[: word.count("o")]
        login, is_line = login or "l" in word, is_line or "c" in word
    if left[:1] in (["-"], ["--"]):
        del left[0]
    inner = replace(command, in_shell=True, path_known=command.path_known and not login)
    if not left or OPAQUE in left[0]:
        return None
    return _in_line(inner, left[0]) if is_line else replace(inner, words=(left[0],), in_shell=False, opened=True)


def _in_line(inner: Command, line: str) -> Command | None:
    first = first_command(line)
    if first is None or _PLAIN.fullmatch(first.words[0]) is None or first.words[0] in _OF_THE_SHELL:
        return None
    path = first.assigned.get("PATH")
    return _known(replace(inner, words=first.words, path=inner.path if path is None else tuple(path.split(":"))))


def _known(command: Command) -> Command | None:
    """Return *command* where its program, and where that is looked for, are known."""
    words = command.words
    unknown = not words or words[0].startswith("-") or OPAQUE in "".join((words[0], *command.path))
    return None if unknown else command
