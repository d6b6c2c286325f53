"""Files that an image or container must not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.findings import Finding, require_none
from pytest_alpine.checks.snapshot import Snapshot, open_snapshot
from pytest_alpine.checks.subjects import matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image

_MOST: Final = 20  # files of one pattern: hundreds of lines would hide the other patterns'


def assert_no_file(image: Image | Container, *globs: str) -> None:
    """Fail if anything in *image* has a path that one of *globs* matches.

    Args:
        image: an image, or a running container without what is mounted into it.
        globs: at least one shell pattern of absolute paths, where ``*`` matches ``/`` too: ``/root/.ssh``,
            ``*.pyc``, ``/var/cache/apk/*``.

    Raises:
        AssertionError: something matches; the message names it, and of a directory the directory alone.
        TypeError: there is no pattern, or one that no absolute path can match.
        EngineError: the container's engine failed.
    """
    __tracebackhide__ = True
    require_none(find_no_file(image, *globs), image, most=_MOST)


def find_no_file(image: Image | Container, *globs: str) -> tuple[Finding, ...]:
    """Return a finding for each path in *image* that one of *globs* matches; see ``assert_no_file``."""
    if not globs:
        raise TypeError("no pattern is given (expected at least one, such as '/var/cache/apk/*')")
    impossible = [glob for glob in globs if not glob.startswith(("/", "*", "?", "["))]
    if impossible:
        raise TypeError(f"{impossible[0]!r} matches no absolute path (expected '/...' or '*...')")
    with open_snapshot(image) as snapshot:
        return tuple(_matching(snapshot, globs))


def _matching(snapshot: Snapshot, globs: tuple[str, ...]) -> Iterator[Finding]:
    inside = ""
    for entry in snapshot.facts.entries.values():
        if inside and entry.path.startswith(inside):
            continue
        glob = next((glob for glob in globs if matches(entry.path, [glob])), None)
        if glob is not None:
            # What is below a directory that must not be there needs no line of its own.
            inside = f"{entry.path.rstrip('/')}/" if entry.kind == "directory" else ""
            expected = f"nothing that matches {glob!r}"
            yield Finding(check="no_file", subject=entry.path, expected=expected, actual=f"a {entry.kind}")
