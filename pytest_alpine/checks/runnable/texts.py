"""Executable texts that the kernel refuses to start, with "exec format error".

A shell runs a text that has no ``#!`` line by itself. A container engine, ``env``, ``su-exec`` and every program that
uses execve(2) cannot: musl's execvp(3), unlike glibc's, does not hand such a file to a shell.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import FileNotInImage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.runnable.view import View
    from pytest_alpine.rootfs.base import Entry

_HEAD: Final = 256
_BYTE_ORDER_MARKS: Final = {b"\xef\xbb\xbf#!": "UTF-8", b"\xff\xfe#\0!\0": "UTF-16", b"\xfe\xff\0#\0!": "UTF-16"}
_TEXT: Final = re.compile(rb"[\t\n\r\f\x1b -~\x80-\xff]+")
# Programs have no other suffixes, and README is none.
_PROGRAM: Final = re.compile(r"(?![A-Z_-]+$)(?:[^.]+|.+\.(?:sh|bash))")


def find_texts(view: View) -> Iterator[Finding]:
    """Yield the executable files of *view* with a byte-order mark before ``#!``, and on PATH texts without ``#!``."""
    folders = {found.path for found in map(view.snapshot.entry, view.search_path) if found is not None}
    on_path: set[str] = set()
    others: list[Entry] = []
    for path, entry in view.snapshot.entries.items():
        if entry.kind in {"file", "symlink"} and posixpath.dirname(path) in folders:
            found = view.snapshot.entry(path)
            on_path.update({found.path} if found is not None and _PROGRAM.fullmatch(posixpath.basename(path)) else ())
        if entry.executable and entry.size and path not in view.binaries.by_path and not view.is_foreign(path):
            others.append(entry)
    for entry in others:
        if entry.path not in view.binaries.script_by_path:
            yield from _text(view, entry.path, on_path=entry.path in on_path)


def _text(view: View, path: str, *, on_path: bool) -> Iterator[Finding]:
    try:
        head = view.rootfs.read(path, _HEAD)
    except FileNotInImage:  # of a running container, since the walk
        return
    mark = next((name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)
    subject = view.snapshot.named(path)
    if mark is not None:
        hint = "save it as UTF-8 without a byte-order mark"
        yield view.finding(subject, "'#!' as its first bytes", f"a byte-order mark of {mark} before it", hint)
    elif on_path and _TEXT.fullmatch(head) and view.snapshot.owner(path) is None:
        hint = "a shell script needs a first line such as '#!/bin/sh'; without one, only a shell starts it"
        yield view.finding(subject, "a program or a script", "an executable text without a '#!' line", hint)
