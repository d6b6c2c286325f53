"""Whether scripts find their interpreter, which their ``#!`` line names, or ``env`` finds on PATH.

Spec: execve(2), "Interpreter scripts"; the ``env`` of BusyBox and of coreutils.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.runnable.providers import for_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.runnable.view import View
    from pytest_alpine.facts.binaries import Script

# "-S words", "-Swords", "-vS words", "--split-string=words".
_SPLIT: Final = re.compile(r"(?:-[iv0]*S|--split-string(?:=|\s))\s*(.*)", re.DOTALL)
_WITH_VALUE: Final = {"-u", "-C", "--unset", "--chdir"}

# Interpreters that refuse an option with a carriage return, and look for a file of that name. Perl ignores it.
_STRICT: Final = re.compile(r"(?:ba|da|a|)sh$|busybox|python")


def find_scripts(view: View) -> Iterator[Finding]:
    """Yield why executable scripts of *view* cannot be started."""
    for script in view.binaries.scripts:
        if script.entry.executable and not view.is_foreign(script.path):
            yield from _script(view, script)


def _script(view: View, script: Script) -> Iterator[Finding]:
    subject = view.snapshot.named(script.path)
    if not script.interpreter:
        yield view.finding(subject, "an interpreter behind '#!'", "none")
        return
    problem = view.not_executable(script.interpreter)
    if problem and not _is_extra(view, script, script.interpreter):
        hint = for_program(view, script.interpreter)
        yield view.finding(subject, f"the interpreter {_shown(script.interpreter)}", problem, hint)
    elif not problem and posixpath.basename(script.interpreter) == "env":
        yield from _env(view, script)
    elif not problem and posixpath.basename(script.interpreter) == "with-contenv":
        yield from _contenv(view, script)
    elif not problem and "\r" in script.argument and _STRICT.match(posixpath.basename(script.interpreter)):
        expected = f"an argument that {script.interpreter} knows"
        yield view.finding(subject, expected, repr(script.argument), for_program(view, script.argument))


def _contenv(view: View, script: Script) -> Iterator[Finding]:
    """Yield that the word behind s6-overlay's ``with-contenv``, the true interpreter, is not there."""
    name = script.argument
    path = name if "/" in name else view.on_path(name, view.service_path)
    problem = "nothing there" if path is None else view.not_executable(path)
    if re.fullmatch(r"[\w./+-]+", name) and problem:
        where = "" if "/" in name else f" on PATH, {':'.join(view.service_path)}"
        subject = view.snapshot.named(script.path)
        yield view.finding(subject, f"the interpreter {name}{where}", problem, for_program(view, name))


def _env(view: View, script: Script) -> Iterator[Finding]:
    subject = view.snapshot.named(script.path)
    split = _SPLIT.fullmatch(script.argument)
    if split is not None and _is_busybox(view, script.interpreter):
        actual = "BusyBox, whose env splits nothing"
        yield view.finding(subject, f"an env that splits {script.argument!r}", actual, "apk add coreutils")
        return
    try:
        words = shlex.split(split[1]) if split is not None else [script.argument]
    except ValueError as error:
        yield view.finding(subject, "words behind 'env -S'", f"{split and split[1]!r}: {error}")
        return
    name = program_of(words)
    if name is None:
        return
    path = name if "/" in name else view.on_path(name)
    problem = "nothing there" if path is None else view.not_executable(path)
    if problem and not _is_extra(view, script, name):
        one = f"env takes {name!r} as one name; only 'env -S' splits it" if " " in name else for_program(view, name)
        where = "" if "/" in name else f" on PATH, {':'.join(view.search_path)}"
        yield view.finding(subject, f"the interpreter {_shown(name)}{where}", problem, one)


def _is_extra(view: View, script: Script, interpreter: str) -> bool:
    """Whether *script* is an extra outside PATH, of a package that does not depend on *interpreter*.

    OpenSSL's package brings ``/etc/ssl/misc/CA.pl`` to every Alpine, and does not depend on perl.
    """
    if view.snapshot.owner(script.path) is None or posixpath.dirname(script.path) in view.search_path:
        return False
    names = (f"cmd:{posixpath.basename(interpreter)}", interpreter)
    return view.snapshot.owner(interpreter) is None and not any(map(view.snapshot.packages.providers, names))


def program_of(words: Sequence[str]) -> str | None:
    """Return which of the *words* that follow ``env`` is the program; None where none is.

    >>> program_of(["-i", "-u", "HOME", "LANG=C", "python3", "-u"])
    'python3'
    """
    left = iter(words)
    for word in left:
        if word in _WITH_VALUE:
            next(left, None)
        elif word and not word.startswith("-") and "=" not in word:
            return word
    return None


def _is_busybox(view: View, path: str) -> bool:
    return posixpath.basename(view.rootfs.resolve(path)).startswith("busybox")


def _shown(name: str) -> str:
    """Return *name*, quoted where it holds characters that are hard to see."""
    return name if re.fullmatch(r"[!-~]+", name) else repr(name)
