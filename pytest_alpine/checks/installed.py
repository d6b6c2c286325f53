"""Assertions on images and containers; each has a twin ``find_...`` that returns findings instead of raising."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.constraint import Constraint
from pytest_alpine.checks.findings import Finding, Target, require_none
from pytest_alpine.checks.size import find_size
from pytest_alpine.checks.snapshot import Moment, at_one_moment, image_of
from pytest_alpine.checks.subjects import BUILT_FOR_MUSL, as_globs, built_for_glibc, matches, named, packages_of
from pytest_alpine.sizes import format_size, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_alpine.apk.package import Provider
    from pytest_alpine.engine.base import Container
    from pytest_alpine.facts.libc import Libc
    from pytest_alpine.image.image import Image


_MOST_FILES: Final = 20  # of a glibc system every file is glibc's: hundreds of lines would bury the one that matters


def assert_installed(target: Target, *constraints: str) -> None:
    """Fail unless *target* meets every one of *constraints*, written as in apk's world file.

    ``musl``, ``curl>=8.5``, ``openssl~3.3``, ``so:libz.so.1``; ``!bash`` means that it must be absent.
    What another package provides counts, as it does for apk. Follows apk-world(5).

    Args:
        target: an image or a running container.
        constraints: at least one.

    Raises:
        AssertionError: a constraint is not met; the message tells all of them and the nearest names.
        InvalidConstraint: a constraint cannot be read.
        DatabaseError: there is no package database, or a broken one.
    """
    __tracebackhide__ = True
    require_none(find_installed(target, *constraints), target)


def find_installed(target: Target, *constraints: str) -> tuple[Finding, ...]:
    """Return a finding for each of *constraints* that *target* does not meet; see ``assert_installed``."""
    if not constraints:
        raise TypeError("no constraint is given (expected at least one, such as 'musl')")
    found = [_unmet(target, Constraint.parse(text)) for text in constraints]
    return tuple(finding for finding in found if finding is not None)


def assert_musl(target: Image | Container, foreign: str | Iterable[str] = ()) -> None:
    """Fail unless the C library of *target* is musl, with its loader in place, and nothing there is glibc's.

    That is: no loader of glibc beside musl's, and no ELF file that was built for glibc, which is told by the versions
    of the symbols that it needs (``GLIBC_2.34``). gcompat, which lends musl the names of glibc, is musl.

    Args:
        target: an image or a running container.
        foreign: paths of files that are built for glibc on purpose: shell patterns, such as ``*/prebuilds/*``, where
            ``*`` matches ``/`` too.

    Raises:
        AssertionError: no musl loader, another platform's loader, a glibc, or what was built for it; the message
            names each file and its package, the largest first, as far as they are not too many.
        DatabaseError: the package database is malformed.
    """
    __tracebackhide__ = True
    require_none(find_musl(target, foreign), target, most=_MOST_FILES)


def find_musl(target: Image | Container, foreign: str | Iterable[str] = ()) -> tuple[Finding, ...]:
    """Return what speaks against musl in *target*; see ``assert_musl``."""
    with at_one_moment(target) as now:
        return (*_loaders(now), *_built_for_glibc(now, as_globs(foreign)))


def _loaders(target: Target) -> Iterator[Finding]:
    libc = target.libc
    loader = f"/lib/ld-musl-{target.platform.machine.loader_arch}.so.1"
    if libc.kind != "musl" or not target.rootfs.exists(loader):
        expected = f"musl, with its loader {loader}"
        yield Finding(check="musl", subject="libc", expected=expected, actual=_libc(libc), hint=_gcompat(libc))
    if libc.kind == "musl":
        for other in (other for other in libc.loaders if other.kind == "glibc"):
            actual = f"its loader, {named(packages_of(target), other.real)}"
            yield Finding(check="musl", subject=other.path, expected="no glibc beside musl", actual=actual)


def _built_for_glibc(target: Image | Moment, foreign: tuple[str, ...]) -> Iterator[Finding]:
    elves = [(binary.path, binary.entry.size, binary.elf) for binary in target.binaries.elves]
    built = [(-size, path, elf) for path, size, elf in elves if elf is not None and elf.glibc_versions]
    built = [found for found in built if not matches(found[1], foreign)]
    if not built:
        return
    packages, hint = packages_of(target), _gcompat(target.libc)
    for _, path, elf in sorted(built, key=itemgetter(0, 1)):
        yield Finding(
            check="musl",
            subject=named(packages, path),
            expected=BUILT_FOR_MUSL,
            actual=built_for_glibc(elf),
            hint=hint,
        )


def assert_shell(target: Target, name: str) -> None:
    """Fail unless ``/bin/sh`` of *target* really is the shell *name*: ``ash`` (BusyBox), ``bash``, ``dash``, ...

    Args:
        target: an image or a running container.
        name: the kind of shell; told by the file behind the links, not by a link's name.

    Raises:
        AssertionError: another shell stands there, or none.
    """
    __tracebackhide__ = True
    require_none(find_shell(target, name), target)


def find_shell(target: Target, name: str) -> tuple[Finding, ...]:
    """Return a finding unless ``/bin/sh`` of *target* is the shell *name*; see ``assert_shell``."""
    shell = target.shell
    if shell is not None and shell.kind == name:
        return ()
    actual = "nothing there" if shell is None else f"{shell.kind} ({shell.path} leads to {shell.real})"
    return (Finding(check="shell", subject="/bin/sh", expected=name, actual=actual),)


def assert_size(
    target: Image | Container,
    *,
    compressed: str | int | None = None,
    unpacked: str | int | None = None,
    rootfs: str | int | None = None,
) -> None:
    """Fail unless each given measure of the image is within its budget.

    Args:
        target: an image, or a container, which is measured by its image.
        compressed: the layer blobs as stored by the registry or archive; bytes, or a text such as ``"4.2 MB"``.
        unpacked: the regular files of every layer, summed.
        rootfs: the regular files of the flattened tree.

    Raises:
        AssertionError: a measure is over its budget, or the source cannot tell it; the message tells by how much
            and which packages are the largest.
        InvalidSize: a budget cannot be read.
    """
    __tracebackhide__ = True
    require_none(find_size(target, compressed=compressed, unpacked=unpacked, rootfs=rootfs), image_of(target))


def assert_memory(container: Container, limit: str | int) -> None:
    """Fail if the processes of *container* use more memory than *limit* now.

    Args:
        container: a running container.
        limit: bytes, or a text such as ``"100 MB"``.

    Raises:
        AssertionError: the container uses more.
        InvalidSize: *limit* cannot be read.
        EngineError: the engine cannot tell.
    """
    __tracebackhide__ = True
    require_none(find_memory(container, limit), container)


def find_memory(container: Container, limit: str | int) -> tuple[Finding, ...]:
    """Return a finding if *container* uses more memory than *limit*; see ``assert_memory``."""
    allowed, used = parse_size(limit), container.memory()
    if used <= allowed:
        return ()
    expected, actual = f"at most {format_size(allowed)}", f"{format_size(used)} ({used} bytes)"
    return (Finding(check="memory", subject="memory", expected=expected, actual=actual),)


def _unmet(target: Target, constraint: Constraint) -> Finding | None:
    packages = target.packages
    found = packages.satisfying(constraint)
    if (found is None) == constraint.conflict:
        return None
    if found is not None:
        actual = f"{found.package.name} {found.package.version}"
        hint = f"which provides {found.provide}" if found.provide else ""
        return Finding(check="installed", subject=str(constraint), expected="absent", actual=actual, hint=hint)
    others = packages.providers(constraint.name)
    if others:
        actual = ", ".join(_versioned(provider) for provider in others)
        return Finding(check="installed", subject=str(constraint), expected="installed", actual=actual)
    nearest = packages.nearest(constraint.name)
    hint = f"nearest: {', '.join(nearest)}" if nearest else ""
    return Finding(check="installed", subject=str(constraint), expected="installed", actual="nothing", hint=hint)


def _versioned(provider: Provider) -> str:
    return f"{provider.package.name} {provider.version or provider.package.version}"


def _libc(libc: Libc) -> str:
    if libc.kind == "none":
        return "no C library: no loader of musl or glibc"
    version = f" {libc.version}" if libc.version else ""
    return f"{libc.kind}{version}" + (f", {libc.loader}" if libc.loader else "")


def _gcompat(libc: Libc) -> str:
    stub = next((loader for loader in libc.loaders if loader.kind == "gcompat"), None)
    return f"{stub.path} is not glibc's: it is the loader of gcompat or libc6-compat" if stub is not None else ""
