"""Whether an image's own commands start, on its PATH and as its USER: ENTRYPOINT, CMD and HEALTHCHECK."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.runnable.providers import for_program
from pytest_alpine.checks.runnable.wrappers import Command, started_by
from pytest_alpine.facts.users import UnknownUserError, find_identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.runnable.view import View
    from pytest_alpine.rootfs.base import Entry

# A list that misses JSON's form, so that the builder took it as a line of shell: no command has such a name.
_JSON_SLIP: Final = re.compile(
    r"""\s*\[(?:["'\u2018\u2019\u201c\u201d]|\s+(?:"[^"]*"|'[^']*')\s*,|\s*[\w./-]+\s*,).*""", re.DOTALL
)
_LINE: Final = 3
# More programs than any honest command starts one behind the other.
_LONGEST_CHAIN: Final = 20
_ACCOUNTS: Final = ("/etc/passwd", "/etc/group")
_READ_AND_EXECUTE: Final = 0o5
_READ: Final = 0o4
_EXECUTE: Final = 0o1


def find_command(view: View) -> Iterator[Finding]:
    """Yield why the command or the health check of *view* would not start.

    Of a CMD behind an ENTRYPOINT nobody knows what it means.
    """
    config = view.config
    health = config.healthcheck.command(config.shell) if config.healthcheck is not None else ()
    slips = [*_slips(view, "ENTRYPOINT", config.entrypoint), *_slips(view, "CMD", config.cmd)]
    yield from slips
    if not slips:
        yield from _chain(view, "ENTRYPOINT" if config.entrypoint else "CMD", (*config.entrypoint, *config.cmd))
    slips = [*_slips(view, "HEALTHCHECK", health)]
    yield from slips or _chain(view, "HEALTHCHECK", health)


def find_started(view: View, subject: str, command: Command) -> Iterator[Finding]:
    """Yield why *command*, or one that it does nothing but start, would not start."""
    left: Command | None = command
    for _ in range(_LONGEST_CHAIN):
        if left is None:
            return
        yield from _program(view, subject, left)
        left = None if left.opened else started_by(left, view.config.env)


def _chain(view: View, subject: str, words: tuple[str, ...]) -> Iterator[Finding]:
    if words:
        yield from find_started(view, subject, Command(words=words, path=view.search_path, user=view.config.user))


def _slips(view: View, subject: str, words: tuple[str, ...]) -> Iterator[Finding]:
    """Yield a list that its Dockerfile writes almost as JSON, which makes it one line of shell."""
    if len(words) == _LINE and words[1] == "-c" and _JSON_SLIP.fullmatch(words[2]):
        hint = 'JSON\'s form takes double quotes only, such as ["app", "--port=80"]'
        expected = "a list in JSON's form, or a line of shell"
        yield view.finding(f"{subject} {words[2]!r}", expected, f"a line that {words[0]} takes as one command", hint)


def _program(view: View, subject: str, command: Command) -> Iterator[Finding]:
    name = command.words[0]
    subject = f"{subject} {list(command.words[:1] if command.in_shell else command.words)!r}"
    if command.opened:
        yield from _opened(view, subject, command)
        return
    path = posixpath.join(view.config.working_dir or "/", name) if "/" in name else view.on_path(name, command.path)
    problem = "nothing there" if path is None or not name else view.not_executable(path)
    if path is None or problem:
        if command.path_known or "/" in name or not view.is_anywhere(name):
            yield _missing(view, subject, command, path, problem)
        return
    real = view.rootfs.resolve(path)
    if not command.in_shell and real not in view.binaries.by_path and real not in view.binaries.script_by_path:
        hint = "a shell script needs a first line such as '#!/bin/sh'"
        yield view.finding(subject, f"a program at {path}", "a file that is neither ELF nor begins with '#!'", hint)
    # The interpreter must be able to read a script.
    needs = _READ_AND_EXECUTE if real in view.binaries.script_by_path else _EXECUTE
    yield from _closed(view, subject, command.user, real, needs)


def _missing(view: View, subject: str, command: Command, path: str | None, problem: str) -> Finding:
    name = command.words[0]
    where = "" if "/" in name else f" on PATH, {':'.join(command.path)}"
    hint = for_program(view, path or name) if " " not in name else "in JSON's form, each word is an item of its own"
    return view.finding(subject, f"a program {name!r}{where}", problem, hint)


def _opened(view: View, subject: str, command: Command) -> Iterator[Finding]:
    """Yield why a shell cannot read the file that it is given."""
    name = command.words[0]
    path = posixpath.normpath(posixpath.join(view.config.working_dir or "/", name))
    found = view.snapshot.entry(path)
    if found is None and "/" not in name and (not command.path_known or view.on_path(name, command.path)):
        return
    if found is None and view.comes_later(path):
        return
    if found is None or not found.is_file:
        actual = "nothing there" if found is None else f"a {found.kind}"
        yield view.finding(subject, f"a file {name!r} that the shell reads", actual)
        return
    yield from _closed(view, subject, command.user, found.path, _READ)


def _closed(view: View, subject: str, user: str | None, path: str, needs: int) -> Iterator[Finding]:
    """Yield a folder or file that *user* may not enter or start, on the way to *path*."""
    closed = _barrier(view, user, path, needs) if user is not None else None
    if closed is not None:
        actual = f"{closed.path}, a {closed.kind} of mode {closed.mode:04o}, owner {closed.uid}:{closed.gid}"
        hint = f"chmod a+rx {closed.path}" if closed.is_file else "put it where that user may go, as in /usr/local/bin"
        by = f"USER {user}" if user == view.config.user else f"user {user}"
        yield view.finding(
            subject,
            f"a {'file' if needs == _READ else 'program'} that {by} may {'read' if needs == _READ else 'start'}",
            actual,
            hint,
        )


def _barrier(view: View, user: str, path: str, needs: int) -> Entry | None:
    if view.rootfs.stat("/").uid:
        return None  # in a sandbox of an ordinary user, all files of the image belong to that user
    try:
        who = find_identity(user, *(view.snapshot.text(path) or "" for path in _ACCOUNTS))
    except UnknownUserError:  # the rule default-user reports it
        return None
    folders = [path[:end] for end in range(1, len(path)) if path[end] == "/"]
    for place, bits in [*((folder, _EXECUTE) for folder in folders), (path, needs)] if who.uid else []:
        entry = view.rootfs.stat(place)
        shift = 6 if entry.uid == who.uid else 3 if entry.gid in {who.gid, *who.groups} else 0
        if ~(entry.mode >> shift) & bits:
            return entry
    return None
