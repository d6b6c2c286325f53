"""Whether an image's own commands start, on its PATH and as its USER: ENTRYPOINT, CMD and HEALTHCHECK."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.runnable.providers import for_program
from pytest_alpine.facts.users import UnknownUserError, find_identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.runnable.view import View
    from pytest_alpine.rootfs.base import Entry

# Programs that only start another one, which follows "--" or comes next.
_INITS: Final = {"tini", "tini-static", "dumb-init", "catatonit"}
_SHELLS: Final = {"sh", "ash", "bash", "dash"}
# The first word of a shell line, where it is a plain word.
_FIRST_WORD: Final = re.compile(r"\s*(?:exec\s+)?([\w./+-]+)(?=\s|$)")
_BUILT_IN: Final = (
    ". alias bg break builtin case cd chdir command continue declare do echo enable eval exec exit export false fg for "
    "function getopts hash help history if jobs kill let local printf pwd read readonly return select set shift shopt "
    "source test time times trap true type typeset ulimit umask unalias unset until wait while"
)
_OF_THE_SHELL: Final = frozenset(_BUILT_IN.split())
_ACCOUNTS: Final = ("/etc/passwd", "/etc/group")
_READ_AND_EXECUTE: Final = 0o5
_EXECUTE: Final = 0o1


def find_command(view: View) -> Iterator[Finding]:
    """Yield why the command or the health check of *view* would not start.

    Of a CMD behind an ENTRYPOINT nobody knows what it means.
    """
    config = view.config
    yield from _chain(view, "ENTRYPOINT" if config.entrypoint else "CMD", [*config.entrypoint, *config.cmd])
    if config.healthcheck is not None:
        yield from _chain(view, "HEALTHCHECK", list(config.healthcheck.command(config.shell)))


def _chain(view: View, subject: str, words: list[str]) -> Iterator[Finding]:
    """Yield why the command of *words*, or one that it does nothing but start, would not start."""
    by_shell = False
    while words:
        yield from _program(view, f"{subject} {words!r}", words[0], by_shell=by_shell)
        by_shell = posixpath.basename(words[0]) in _SHELLS
        words = _started_by(words)


def _started_by(words: list[str]) -> list[str]:
    """Return the command that the command *words* only starts; nothing where it does more, or that is not known.

    >>> _started_by(["tini", "--", "serve"]), _started_by(["/bin/sh", "-c", "exec serve --port 80"])
    (['serve'], ['serve'])
    """
    name = posixpath.basename(words[0])
    if name in _INITS:
        rest = words[words.index("--") + 1 :] if "--" in words else words[1:]
        return [] if rest and rest[0].startswith("-") else rest
    line = _FIRST_WORD.match(words[2]) if name in _SHELLS and words[1:2] == ["-c"] and words[2:] else None
    return [line[1]] if line and line[1] not in _OF_THE_SHELL else []


def _program(view: View, subject: str, name: str, *, by_shell: bool) -> Iterator[Finding]:
    path = posixpath.join(view.config.working_dir or "/", name) if "/" in name else view.on_path(name)
    problem = "nothing there" if path is None or not name else view.not_executable(path)
    if path is None or problem:
        where = "" if "/" in name else f" on PATH, {':'.join(view.search_path)}"
        hint = for_program(view, path or name) if " " not in name else "in JSON's form, each word is an item of its own"
        yield view.finding(subject, f"a program {name!r}{where}", problem, hint)
        return
    real = view.rootfs.resolve(path)
    # A shell runs a file itself that the kernel does not know how to run.
    if not by_shell and real not in view.binaries.by_path and real not in view.binaries.script_by_path:
        hint = "a shell script needs a first line such as '#!/bin/sh'"
        yield view.finding(subject, f"a program at {path}", "a file that is neither ELF nor begins with '#!'", hint)
    closed = _closed(view, real)
    if closed is not None:
        actual = f"{closed.path}, a {closed.kind} of mode {closed.mode:04o}, owner {closed.uid}:{closed.gid}"
        hint = f"chmod a+rx {closed.path}" if closed.is_file else "put it where that user may go, as in /usr/local/bin"
        yield view.finding(subject, f"a program that USER {view.config.user} may start", actual, hint)


def _closed(view: View, path: str) -> Entry | None:
    """Return the folder or file that the image's USER may not enter or start, on the way to *path*, or None."""
    if view.rootfs.stat("/").uid:
        return None  # in a sandbox of an ordinary user, all files of the image belong to that user
    try:
        who = find_identity(view.config.user, *(view.snapshot.text(path) or "" for path in _ACCOUNTS))
    except UnknownUserError:  # the rule default-user reports it
        return None
    # The interpreter must be able to read a script.
    needs = _READ_AND_EXECUTE if path in view.binaries.script_by_path else _EXECUTE
    folders = [path[:end] for end in range(1, len(path)) if path[end] == "/"]
    for place, bits in [*((folder, _EXECUTE) for folder in folders), (path, needs)] if who.uid else []:
        entry = view.rootfs.stat(place)
        shift = 6 if entry.uid == who.uid else 3 if entry.gid in {who.gid, *who.groups} else 0
        if ~(entry.mode >> shift) & bits:
            return entry
    return None
