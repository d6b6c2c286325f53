"""Whether the libraries that are to be loaded before all others are there: ``LD_PRELOAD`` and ``/etc/ld.so.preload``.

musl reads the variable alone, and silently starts a program without a library that is not there. glibc reads the file,
too, and says that it ignores such a library.
Specs: ``ldso/dynlink.c`` of musl, ld.so(8) of glibc.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.runnable.providers import for_library
from pytest_alpine.elf.musl_loader import MuslLoader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.runnable.view import View

_FILE: Final = "/etc/ld.so.preload"
_SEPARATOR: Final = re.compile(r"[:\s]+")
# Names that musl takes as itself.
_ITSELF: Final = re.compile(r"lib(?:c|pthread|rt|m|dl|util|xnet)\.")


def find_preloads(view: View) -> Iterator[Finding]:
    """Yield the libraries of ``LD_PRELOAD``, and for a glibc those of ``/etc/ld.so.preload``, that are not there."""
    libc = view.snapshot.facts.libc
    folders = _folders(view)
    if libc.kind == "musl" and libc.loaders:
        for name in _names(view.config.env.get("LD_PRELOAD", "")):
            yield from _missing(
                view, "ENV LD_PRELOAD", name, folders, "musl starts programs without it, and says nothing"
            )
    if libc.of_kind("glibc") is not None:
        for name in _names(re.sub(r"#.*", "", view.snapshot.text(_FILE) or "")):
            yield from _missing(view, _FILE, name, folders, "glibc starts programs without it, and complains")


def _names(text: str) -> Iterator[str]:
    """Yield the libraries that *text* names, but for those that only the running program can find."""
    for name in _SEPARATOR.split(text):
        if name and "$" not in name and (name.startswith("/") or "/" not in name) and not _ITSELF.match(name):
            yield name


def _missing(view: View, subject: str, name: str, path: tuple[str, ...], hint: str) -> Iterator[Finding]:
    folders = () if "/" in name else path
    places = [f"{folder.rstrip('/')}/{name}" for folder in folders] or [name]
    found = [entry for entry in map(view.snapshot.entry, places) if entry is not None and entry.is_file]
    if any(entry.path in view.binaries.by_path for entry in found) or any(map(view.comes_later, places)):
        return
    where = f" in {':'.join(folders)}" if folders else ""
    actual = f"{found[0].path}, which is no library" if found else "nothing there"
    yield view.finding(subject, f"the library {name}{where}", actual, f"{hint}; {for_library(view, name)}")


def _folders(view: View) -> tuple[str, ...]:
    arch = view.snapshot.platform.machine.loader_arch
    loader = MuslLoader(rootfs=view.rootfs, elf_at=lambda _: None, arch=arch)
    asked = [part for part in re.split(r"[:\n]+", view.config.env.get("LD_LIBRARY_PATH", "")) if part.startswith("/")]
    return (*asked, *loader.system_path(f"/lib/ld-musl-{arch}.so.1"))
