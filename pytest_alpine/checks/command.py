"""Whether an image's own command starts: ENTRYPOINT and CMD, on its PATH, in its working directory, as its USER."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.providers import for_program
from pytest_alpine.engine.users import UnknownUserError, find_identity
from pytest_alpine.errors import FileNotInImage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.view import View
    from pytest_alpine.findings import Finding
    from pytest_alpine.rootfs import Entry

# Programs that do nothing but start another one, behind "--" or at once.
_INITS: Final = {"tini", "tini-static", "dumb-init", "catatonit"}
_READ_AND_EXECUTE: Final = 0o5
_EXECUTE: Final = 0o1
_LIMIT: Final = 1 << 20


def find_command(view: View) -> Iterator[Finding]:
    """Yield why the command of *view* would not start. Of a CMD behind an ENTRYPOINT nobody knows what it means."""
    config = view.config
    words = [*config.entrypoint, *config.cmd]
    subject = "ENTRYPOINT" if config.entrypoint else "CMD"
    while words:
        yield from _program(view, f"{subject} {words!r}", words[0])
        if posixpath.basename(words[0]) not in _INITS:
            return
        words = words[words.index("--") + 1 :] if "--" in words else words[1:]
        if words and words[0].startswith("-"):
            return


def _program(view: View, subject: str, name: str) -> Iterator[Finding]:
    path = posixpath.join(view.config.working_dir or "/", name) if "/" in name else view.on_path(name)
    problem = "nothing there" if path is None or not name else view.not_executable(path)
    if path is None or problem:
        where = "" if "/" in name else f" on PATH, {':'.join(view.search_path)}"
        hint = for_program(view, path or name) if " " not in name else "each word is an item of its own in JSON's form"
        yield view.finding(subject, f"a program {name!r}{where}", problem, hint)
        return
    real = view.rootfs.resolve(path)
    if real not in view.binaries.by_path and real not in view.binaries.script_by_path:
        hint = "a shell script needs a first line such as '#!/bin/sh'"
        yield view.finding(subject, f"a program at {path}", "a file that is neither ELF nor begins with '#!'", hint)
    closed = _closed(view, real)
    if closed is not None:
        actual = f"{closed.path}, a {closed.kind} of mode {closed.mode:04o}, owner {closed.uid}:{closed.gid}"
        hint = f"chmod a+rx {closed.path}" if closed.is_file else "put it where that user may go, as in /usr/local/bin"
        yield view.finding(subject, f"a program that USER {view.config.user} may start", actual, hint)


def _closed(view: View, path: str) -> Entry | None:
    """Return what keeps the image's USER from the program at *path*, which has no links: a folder, or itself."""
    root = view.rootfs.lstat("/")
    if root is not None and root.uid:
        return None  # a sandbox of an ordinary user, to whom all files of the image belong
    try:
        who = find_identity(view.config.user, _text(view, "/etc/passwd"), _text(view, "/etc/group"))
    except UnknownUserError:  # the rule default-user tells it
        return None
    # A script is read by its interpreter.
    needs = _READ_AND_EXECUTE if path in view.binaries.script_by_path else _EXECUTE
    folders = [path[:end] for end in range(1, len(path)) if path[end] == "/"]
    for place, bits in [*((folder, _EXECUTE) for folder in folders), (path, needs)] if who.uid else []:
        entry = view.rootfs.lstat(place)
        if entry is None:
            continue
        shift = 6 if entry.uid == who.uid else 3 if entry.gid in {who.gid, *who.groups} else 0
        if ~(entry.mode >> shift) & bits:
            return entry
    return None


def _text(view: View, path: str) -> str:
    try:
        return view.rootfs.read(path, _LIMIT).decode("utf-8", "surrogateescape")
    except FileNotInImage:
        return ""
