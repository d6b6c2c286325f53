"""``assert_runnable``: the programs of an image can be started in it. Its files tell; nothing is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.findings import Finding, require_none
from pytest_alpine.checks.runnable.command import find_command
from pytest_alpine.checks.runnable.preload import find_preloads
from pytest_alpine.checks.runnable.programs import find_programs
from pytest_alpine.checks.runnable.scripts import find_scripts
from pytest_alpine.checks.runnable.services import find_services
from pytest_alpine.checks.runnable.texts import find_texts
from pytest_alpine.checks.runnable.view import View
from pytest_alpine.checks.snapshot import open_snapshot
from pytest_alpine.checks.subjects import as_globs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image


def assert_runnable(target: Image | Container, foreign: str | Iterable[str] = ()) -> None:
    """Fail unless the programs, libraries and scripts in *target* find what they need to start.

    ENTRYPOINT or CMD must be a program on the image's PATH that its USER may start, and so must the HEALTHCHECK; what
    only starts another program, as ``tini``, ``su-exec``, ``env`` and ``sh -c`` do, is followed to that one, and so
    is a ``run`` file of s6 that is one command. Every executable must be for the platform, its loader (PT_INTERP)
    must exist, and musl's loader must find every library that it needs, for the same machine. Every symbol that a
    program or one of its libraries needs must be defined by what is loaded with it; what a plugin needs, a library
    that no program loads by itself, by any file of the image. The interpreter of every executable script must exist,
    behind ``env`` too, and its ``#!`` must be the first bytes of the file, in a line without a carriage return.
    Executable texts on PATH must have such a line. A script that a package brings as an extra, outside PATH, may lack
    its interpreter if the package does not depend on it. Programs of glibc need its loader or that of gcompat; where
    glibc's own loader exists, the libraries of its programs are not checked. Libraries in a private folder of a
    source package are not checked either: its programs load them themselves, as Java does. The libraries of
    ``LD_PRELOAD`` must be there; musl does not read ``/etc/ld.so.preload``, which counts beside a glibc.

    Args:
        target: an image or a running container.
        foreign: paths of files that need not run here: shell patterns, such as ``/usr/share/qemu/*``, where ``*``
            matches ``/`` too.

    Raises:
        AssertionError: something would not start; the message names each file, its package, what it lacks, and
            what would provide that.
        InvalidPlatform: Alpine does not exist for the platform.
        DatabaseError: the package database is malformed.
        MalformedImage: there are more places to look for libraries than in any honest image.
    """
    __tracebackhide__ = True
    require_none(find_runnable(target, foreign), target)


def find_runnable(target: Image | Container, foreign: str | Iterable[str] = ()) -> tuple[Finding, ...]:
    """Return what would not start in *target*; see ``assert_runnable``."""
    with open_snapshot(target) as snapshot:
        view = View(snapshot, as_globs(foreign))
        commands = (*find_command(view), *find_services(view), *find_preloads(view))
        return (*commands, *find_scripts(view), *find_texts(view), *find_programs(view))
