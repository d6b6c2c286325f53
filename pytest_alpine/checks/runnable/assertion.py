"""Whether what an image holds can be started in it, read from its files and with nothing running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.findings import Finding, require_none
from pytest_alpine.checks.runnable.command import find_command
from pytest_alpine.checks.runnable.programs import find_programs
from pytest_alpine.checks.runnable.scripts import find_scripts
from pytest_alpine.checks.runnable.view import View
from pytest_alpine.checks.snapshot import open_snapshot
from pytest_alpine.checks.subjects import as_globs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image


def assert_runnable(target: Image | Container, foreign: str | Iterable[str] = ()) -> None:
    """Fail unless the programs, libraries and scripts in *target* find what they need to start.

    ENTRYPOINT or CMD is a program on the image's PATH that its USER may start, and so is the HEALTHCHECK. Every
    executable is for the platform, its loader (PT_INTERP) is there, and every library that it needs is found as
    musl's loader looks for it and is for its machine. The interpreter of every executable script is there, behind
    ``env`` too; but for scripts that packages bring as an extra, off PATH, without asking for their interpreter.
    What was built for glibc needs glibc's loader or gcompat's; where glibc's own is there, the libraries of its
    programs are not looked for. Nor are those that a source package has in a folder of its own, for other libraries
    of its own: its programs load them, as Java does.

    Args:
        target: an image or a running container.
        foreign: paths of files that are not meant to run here: shell patterns, such as ``/usr/share/qemu/*``, where
            ``*`` matches ``/`` too.

    Raises:
        AssertionError: something would not start; the message names each file, its package, what it misses, and
            what would provide that.
        InvalidPlatform: Alpine does not exist for the platform.
        DatabaseError: the package database is malformed.
        MalformedImage: libraries are to be looked for in more places than any honest image has.
    """
    __tracebackhide__ = True
    require_none(find_runnable(target, foreign), target)


def find_runnable(target: Image | Container, foreign: str | Iterable[str] = ()) -> tuple[Finding, ...]:
    """Return what would not start in *target*; see ``assert_runnable``."""
    with open_snapshot(target) as snapshot:
        view = View(snapshot, as_globs(foreign))
        return (*find_command(view), *find_scripts(view), *find_programs(view))
