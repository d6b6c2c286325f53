"""``assert_musl``: the C library is musl, and no file is part of glibc or was built for it."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.findings import Finding, require_none
from pytest_alpine.checks.snapshot import Snapshot, open_snapshot
from pytest_alpine.checks.subjects import BUILT_FOR_MUSL, as_globs, built_for_glibc, matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_alpine.engine.container import Container
    from pytest_alpine.facts.libc import Libc
    from pytest_alpine.image.image import Image

_MOST_FILES: Final = 20  # in a system of glibc, hundreds of files would hide the one that matters


def assert_musl(target: Image | Container, foreign: str | Iterable[str] = ()) -> None:
    """Fail unless the C library of *target* is musl, with its loader in place, and nothing there is glibc's.

    There must be no loader of glibc beside musl's, and no ELF file that was built for glibc. The versions of the
    symbols that a file needs tell (``GLIBC_2.34``). gcompat, which gives musl the names of glibc, is allowed.
    Prebuilt files of Node packages count only where Node would load them: not ``name.glibc.node`` beside
    ``name.musl.node``.

    Args:
        target: an image or a running container.
        foreign: paths of files that are built for glibc on purpose: shell patterns, such as ``/opt/vendor/*``, where
            ``*`` matches ``/`` too.

    Raises:
        AssertionError: there is no loader of musl for this platform, or there is a glibc or something built for it; the
            message names the largest files, and their packages.
        DatabaseError: the package database is malformed.
    """
    __tracebackhide__ = True
    require_none(find_musl(target, foreign), target, most=_MOST_FILES)


def find_musl(target: Image | Container, foreign: str | Iterable[str] = ()) -> tuple[Finding, ...]:
    """Return a finding for everything in *target* that is not musl's; see ``assert_musl``."""
    with open_snapshot(target) as snapshot:
        return (*_loaders(snapshot), *_built_for_glibc(snapshot, as_globs(foreign)))


def _loaders(snapshot: Snapshot) -> Iterator[Finding]:
    libc = snapshot.facts.libc
    loader = f"/lib/ld-musl-{snapshot.platform.machine.loader_arch}.so.1"
    if libc.kind != "musl" or not snapshot.rootfs.exists(loader):
        expected = f"musl, with its loader {loader}"
        yield Finding(check="musl", subject="libc", expected=expected, actual=_libc(libc), hint=_gcompat(libc))
    if libc.kind == "musl":
        for other in (other for other in libc.loaders if other.kind == "glibc"):
            actual = f"its loader, {snapshot.named(other.real)}"
            yield Finding(check="musl", subject=other.path, expected="no glibc beside musl", actual=actual)


def _built_for_glibc(snapshot: Snapshot, foreign: tuple[str, ...]) -> Iterator[Finding]:
    elves = [(binary.path, binary.entry.size, binary.elf) for binary in snapshot.facts.binaries.elves]
    built = [(-size, path, elf) for path, size, elf in elves if elf is not None and elf.glibc_versions]
    built = [found for found in built if found[1] not in snapshot.unloaded and not matches(found[1], foreign)]
    for _, path, elf in sorted(built, key=itemgetter(0, 1)):
        yield Finding(
            check="musl",
            subject=snapshot.named(path),
            expected=BUILT_FOR_MUSL,
            actual=built_for_glibc(elf),
            hint=_gcompat(snapshot.facts.libc),
        )


def _libc(libc: Libc) -> str:
    if libc.kind == "none":
        return "no C library: no loader of musl or glibc"
    version = f" {libc.version}" if libc.version else ""
    return f"{libc.kind}{version}" + (f", {libc.loader}" if libc.loader else "")


def _gcompat(libc: Libc) -> str:
    stub = next((loader for loader in libc.loaders if loader.kind == "gcompat"), None)
    return f"{stub.path} is not glibc's: it is the loader of gcompat or libc6-compat" if stub is not None else ""
