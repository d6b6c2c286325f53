"""The C library of a root filesystem: musl, glibc, or none. The contents of the loaders tell which, not their names.

Programs name their loader (PT_INTERP), such as ``/lib/ld-musl-x86_64.so.1``. The name of a glibc loader proves
nothing: gcompat and libc6-compat install a stub, or a link to musl's own loader, under that name.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pytest_alpine.apk.database import DATABASES
from pytest_alpine.elf.reader import is_elf, read_elf, read_header
from pytest_alpine.errors import FileNotInImage, MalformedImage
from pytest_alpine.facts.shell import SH
from pytest_alpine.rootfs.base import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.rootfs.base import Entry, RootFS

LibcKind = Literal["musl", "glibc", "none"]

# The loaders of both libraries are in one of these folders, on every machine.
_FOLDERS: Final = ("/lib", "/lib64", "/lib32", "/libx32")
_MUSL_NAME: Final = re.compile(r"ld-musl-[\w-]+\.so\.1")
_GLIBC_NAME: Final = re.compile(r"ld-linux(?:-[\w-]+)?\.so\.\d|ld64\.so\.\d|ld\.so\.1")

_MUSL_PACKAGE: Final = re.compile(rb"^P:musl$", re.MULTILINE)
_PACKAGE_VERSION: Final = re.compile(rb"^V:(.+)$", re.MULTILINE)
_MUSL_TEXT: Final = b"musl libc ("
# Not LINUX_2.6.39, a version of the kernel's own symbols, and not 127.0.0.1.
_MUSL_VERSION: Final = re.compile(rb"(?<![\w.])(\d\.\d{1,2}\.\d{1,2}(?:[-_][\w.-]{1,40})?)\0")
_GLIBC_BANNER: Final = re.compile(rb"(?:GNU C Library|ld\.so) [^\n]{0,80}release version (\d+\.\d+(?:\.\d+)?)")
_GLIBC_FILE: Final = re.compile(r"(?:ld|libc)-(\d+\.\d+(?:\.\d+)?)\.so")
_GLIBC_SYMBOLS: Final = re.compile(rb"\0GLIBC_(\d{1,3})\.(\d{1,3})(?=[.\0])")

_GCOMPAT: Final = "libgcompat.so.0"

# Larger than any loader or C library.
_LIMIT: Final = 32 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Loader:
    """One program loader of the image, by the name that programs use for it."""

    path: str
    """The name, such as ``/lib/ld-musl-x86_64.so.1``."""
    real: str
    """The file behind all links."""
    kind: Literal["musl", "glibc", "gcompat"]
    """``gcompat``: the name is that of a glibc loader, but the file is gcompat's stub, or musl behind a link."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Libc:
    """The C library that the programs of an image use."""

    kind: LibcKind
    """``none``: there is no loader of musl or glibc, for example because all programs are static."""
    version: str | None
    """Of musl: its package's version, such as ``1.2.5-r0``, else the library's (``1.2.5``). Of glibc: the library's."""
    loader: str | None
    """The name of its loader, such as ``/lib/ld-musl-x86_64.so.1``."""
    real: str | None
    """The file behind all links of *loader*."""
    gcompat: bool
    """Whether gcompat, or the older libc6-compat, is installed to run programs that were built for glibc."""
    loaders: tuple[Loader, ...]
    """All loaders; an image may have musl and glibc side by side."""
    evidence: tuple[str, ...]
    """The files that the other fields were read from."""

    def of_kind(self, kind: LibcKind) -> Loader | None:
        """Return the first loader of *kind*, or None."""
        return next((loader for loader in self.loaders if loader.kind == kind), None)


def read_libc(rootfs: RootFS) -> Libc:
    """Return the C library of *rootfs*. If there are two, return the one that loads ``/bin/sh``, else musl."""
    loaders = tuple(_loaders(rootfs))
    compat = _gcompat_library(rootfs)
    chosen = _chosen(rootfs, loaders)
    version, told_by = _version(rootfs, chosen) if chosen is not None else (None, None)
    evidence = [path for loader in loaders for path in (loader.path, loader.real)] + [compat, told_by]
    return Libc(
        kind="none" if chosen is None or chosen.kind == "gcompat" else chosen.kind,
        version=version,
        loader=chosen.path if chosen is not None else None,
        real=chosen.real if chosen is not None else None,
        gcompat=compat is not None or any(loader.kind == "gcompat" for loader in loaders),
        loaders=loaders,
        evidence=tuple(dict.fromkeys(path for path in evidence if path is not None)),
    )


def _loaders(rootfs: RootFS) -> Iterator[Loader]:
    seen = set()
    for folder in _FOLDERS:
        for entry in _children(rootfs, folder):
            name = posixpath.basename(entry.path)
            # If /lib64 is a link to /lib, a loader has two names; the first one is enough.
            if entry.path in seen or not (_MUSL_NAME.fullmatch(name) or _GLIBC_NAME.fullmatch(name)):
                continue
            seen.add(entry.path)
            loader = _loader(rootfs, f"{folder}/{name}")
            if loader is not None:
                yield loader


def _children(rootfs: RootFS, folder: str) -> Iterator[Entry]:
    try:
        top = rootfs.stat(folder)
    except FileNotInImage:
        return
    if top.kind == "directory":
        yield from (entry for entry in rootfs.walk(folder) if entry.path.rfind("/") == len(top.path))


def _loader(rootfs: RootFS, path: str) -> Loader | None:
    try:
        real = rootfs.resolve(path)
        data = rootfs.read(real, _LIMIT)
    except FileNotInImage:  # a link to nothing, or a folder
        return None
    if not is_elf(data):
        return None
    if _is_glibc(data, path):
        return Loader(path=path, real=real, kind="glibc")
    is_musl = _MUSL_NAME.fullmatch(posixpath.basename(path)) is not None
    return Loader(path=path, real=real, kind="musl" if is_musl else "gcompat")


def _is_glibc(data: bytes, path: str) -> bool:
    """Whether *data* is glibc's own loader: it contains glibc's banner, and defines glibc's symbol versions."""
    # The search begins at the end, because the texts of a program follow its code.
    if data.rfind(_MUSL_TEXT) >= 0 or _GLIBC_SYMBOLS.search(data) is None:
        return False
    try:
        soname = read_elf(data, path).soname
    except MalformedImage:
        return False
    return soname is not None and _GLIBC_NAME.fullmatch(soname) is not None


def _gcompat_library(rootfs: RootFS) -> str | None:
    places = (f"{folder}/{_GCOMPAT}" for folder in ("/lib", "/usr/lib"))
    return next((place for place in places if rootfs.exists(place)), None)


def _chosen(rootfs: RootFS, loaders: tuple[Loader, ...]) -> Loader | None:
    real = [loader for loader in loaders if loader.kind != "gcompat"]
    if len(real) > 1:
        interpreter = _interpreter(rootfs, SH)
        real.sort(key=lambda loader: (loader.path != interpreter, loader.kind != "musl"))
    return real[0] if real else None


def _interpreter(rootfs: RootFS, path: str) -> str | None:
    try:
        with open_file(rootfs, path) as stream:
            return read_header(stream, path).interpreter
    except (FileNotInImage, MalformedImage):
        return None


def _version(rootfs: RootFS, loader: Loader) -> tuple[str | None, str | None]:
    """Return the version of the library of *loader*, and the file that told it."""
    return _musl_version(rootfs, loader) if loader.kind == "musl" else _glibc_version(rootfs, loader)


def _musl_version(rootfs: RootFS, loader: Loader) -> tuple[str | None, str | None]:
    for path in DATABASES:
        version = _musl_package(_content(rootfs, path))
        if version is not None:
            return version, path
    found = _MUSL_VERSION.search(_content(rootfs, loader.real))
    return (found[1].decode(), loader.real) if found is not None else (None, None)


def _musl_package(database: bytes) -> str | None:
    # The parser of the database is not used: a broken record of another package must not hide the C library.
    name = _MUSL_PACKAGE.search(database)
    if name is None:
        return None
    start, end = database.rfind(b"\n\n", 0, name.start()) + 1, database.find(b"\n\n", name.end())
    version = _PACKAGE_VERSION.search(database[start : end if end >= 0 else None])
    return version[1].decode("utf-8", "replace") if version is not None else None


def _glibc_version(rootfs: RootFS, loader: Loader) -> tuple[str | None, str | None]:
    library = posixpath.join(posixpath.dirname(loader.real), "libc.so.6")
    version = _glibc_version_of(rootfs, library)
    return (version, library) if version is not None else (_glibc_version_of(rootfs, loader.real), loader.real)


def _glibc_version_of(rootfs: RootFS, path: str) -> str | None:
    data = _content(rootfs, path)
    banner = _GLIBC_BANNER.search(data)
    if banner is not None:
        return banner[1].decode()
    # Up to 2.33 the files were called ld-2.31.so and libc-2.31.so; a library defines the symbols of its own version.
    name = _GLIBC_FILE.fullmatch(posixpath.basename(rootfs.resolve(path))) if data else None
    if name is not None:
        return name[1]
    newest = max(((int(found[1]), int(found[2])) for found in _GLIBC_SYMBOLS.finditer(data)), default=None)
    return f"{newest[0]}.{newest[1]}" if newest is not None else None


def _content(rootfs: RootFS, path: str) -> bytes:
    try:
        return rootfs.read(path, _LIMIT)
    except FileNotInImage:
        return b""
