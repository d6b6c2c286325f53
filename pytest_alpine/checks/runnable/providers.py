"""Hints on what would provide a missing file: an installed package, a file elsewhere, or a package of apk."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.runnable.view import stem_of

if TYPE_CHECKING:
    from pytest_alpine.checks.runnable.view import View

# Libraries and loaders of glibc that musl does not have; gcompat brings most of them.
_GLIBC_ONLY: Final = re.compile(
    r"ld-linux(?:-[\w-]+)?\.so\.\d|ld64\.so\.\d|lib(?:resolv|crypt|nsl|anl|BrokenLocale)\.so\.\d"
)
# Where packages put programs, which they provide as "cmd:NAME". A bare name may be in any of these.
_COMMANDS: Final = {"", "/bin", "/sbin", "/usr/bin", "/usr/sbin"}
_MUSL_LOADER: Final = re.compile(r"ld-musl-([\w-]+)\.so\.1")

GCOMPAT: Final = "built for glibc: build it for musl, or apk add gcompat, which runs many such programs"
"""The hint for a program of glibc."""


def for_library(view: View, name: str) -> str:
    """Return what would provide the library *name*."""
    base = posixpath.basename(name)
    for provider in view.snapshot.packages.providers(f"so:{base}"):
        files = (file.path for file in provider.package.files if posixpath.basename(file.path) == base)
        here = next(filter(view.snapshot.entry, files), None)
        if here is not None:
            return f"{view.snapshot.named(here)} is not where it is looked for"
        return f"{provider.package} is installed and provides it: apk fix {provider.package.name}"
    if _GLIBC_ONLY.fullmatch(base):
        return GCOMPAT
    offer = f"apk add so:{base}"
    elsewhere = _elsewhere(view, base)
    return f"{elsewhere}; {offer}" if elsewhere else offer


def for_loader(view: View, interpreter: str) -> str:
    """Return what would provide the program loader *interpreter*."""
    base = posixpath.basename(interpreter)
    musl = _MUSL_LOADER.fullmatch(base)
    if musl is None:
        return GCOMPAT if _GLIBC_ONLY.fullmatch(base) else ""
    arch = view.snapshot.platform.machine.loader_arch
    if musl[1] != arch:
        return f"that is the loader of {musl[1]}; this platform's is ld-musl-{arch}.so.1"
    return "apk fix musl" if "musl" in view.snapshot.packages else "apk add musl"


def for_program(view: View, name: str) -> str:
    """Return what would provide the program *name*, a name or a path."""
    base = posixpath.basename(name)
    if "\r" in name:
        how = "ends with" if name.endswith("\r") else "holds"
        return f"its first line {how} a carriage return, as on Windows"
    for provider in view.snapshot.packages.providers(f"cmd:{base}"):
        return f"{provider.package} is installed and provides it: apk fix {provider.package.name}"
    place = name if "/" in name else view.on_path(name)
    here = view.snapshot.entry(place) if place else None
    if here is not None and not here.executable:
        return f"chmod a+x {here.path}" if here.is_file else ""
    found = view.on_path(base)
    known = posixpath.dirname(name) in _COMMANDS and re.fullmatch(r"[\w.+-]+", base)
    offer = f"apk add cmd:{base}" if known else ""
    return "; ".join(filter(None, [f"there is {found}" if found and found != name else "", offer]))


def _elsewhere(view: View, base: str) -> str:
    """Return where else *base* is, or another version of it."""
    same = view.by_name.get(base)
    if same is not None:
        return f"{view.snapshot.named(same)} is not where it is looked for"
    alike = view.by_name.get(stem_of(base))
    return f"there is {view.snapshot.named(alike)}" if alike is not None else ""
