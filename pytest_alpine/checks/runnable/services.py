"""Whether the services that s6 supervises start: what their ``run`` files start first.

A ``run`` file is looked at where it is one chain of commands: in execline's language, or in a shell's, with nothing but
comments, ``set`` and redirections before it.
Specs: https://skarnet.org/software/s6/servicedir.html, https://skarnet.org/software/execline/grammar.html,
https://github.com/just-containers/s6-overlay
"""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.runnable.command import find_started
from pytest_alpine.checks.runnable.wrappers import SHELLS, Command, started_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.runnable.view import View
    from pytest_alpine.facts.binaries import Script

_RUN_FILE: Final = re.compile(
    r"/etc/(?:services\.d|s6-overlay/s6-rc\.d|s6-rc(?:/source)?|s6|sv|service)/[^/]+/(?:log/)?run"
)
# Lines of a shell that change nothing of what is started: comments, options, and where output goes.
_SETTINGS: Final = re.compile(r"\s*(?:#.*|set [-+]\S+(?: pipefail)?|exec \d*>&?\S*(?: \d*>&\d)*)?\s*")
# Bytes of a file that is one command; shlex takes a second for a megabyte.
_LARGEST: Final = 16 << 10
# Commands that execline has under other names too, depending on how it was built.
_OF_EXECLINE: Final = frozenset({"cd", "exec", "export", "umask", "unexport", "wait"})
_BLOCKS: Final = re.compile(r"[{}]|\$")


def find_services(view: View) -> Iterator[Finding]:
    """Yield why services of *view* would not start."""
    for script in view.binaries.scripts:
        if _RUN_FILE.fullmatch(script.path) and not view.is_foreign(script.path):
            words = _started(view, script)
            if words:
                in_shell = posixpath.basename(script.interpreter) != "execlineb"
                command = Command(words=words, path=view.service_path, user=None, in_shell=in_shell)
                yield from find_started(view, view.snapshot.named(script.path), command)


def _started(view: View, script: Script) -> tuple[str, ...]:
    """Return the command that the ``run`` file starts, and that is certain; nothing where none is."""
    if script.entry.size > _LARGEST:
        return ()
    text = (view.snapshot.text(script.path) or "").partition("\n")[2]
    interpreters = [posixpath.basename(word) for word in (script.interpreter, *script.argument.split())]
    if interpreters[0] == "execlineb":
        return _of_execline(text)
    if not SHELLS.intersection(interpreters):
        return ()
    lines = [line for line in text.replace("\\\n", " ").splitlines() if not _SETTINGS.fullmatch(line)]
    if len(lines) != 1:
        return ()
    line = Command(words=("sh", "-c", lines[0]), path=(), user=None)
    # A PATH of the line's own would not be that of the service.
    inner = started_by(line, {}) if "PATH" not in lines[0] else None
    return inner.words if inner is not None else ()


def _of_execline(text: str) -> tuple[str, ...]:
    """Return the words of a script of execlineb, up to the first block or variable."""
    try:
        words = shlex.split(_BLOCKS.split(text)[0], comments=True)
    except ValueError:
        return ()
    # The last word before a block or a variable may go on behind it.
    known = words if _BLOCKS.search(text) is None else words[:-1]
    return () if _OF_EXECLINE.intersection(known) else tuple(known)
