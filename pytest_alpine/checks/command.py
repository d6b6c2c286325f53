"""Whether an image's own command starts: ENTRYPOINT and CMD, on its PATH and in its working directory."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.providers import for_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.view import View
    from pytest_alpine.findings import Finding

# Programs that do nothing but start another one, behind "--" or at once.
_INITS: Final = {"tini", "tini-static", "dumb-init", "catatonit"}


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
