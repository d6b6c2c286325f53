"""A snapshot as the kernel, the program loader and the shell see it: what starts, and what is found on PATH."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.findings import Finding
from pytest_alpine.checks.subjects import is_for, matches
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_alpine.checks.snapshot import Snapshot
    from pytest_alpine.elf.reader import ElfFile
    from pytest_alpine.facts.binaries import Binaries
    from pytest_alpine.image.spec.config import ImageConfig
    from pytest_alpine.rootfs.base import RootFS

# The PATH that engines set where an image sets none.
_DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MADE_LATER: Final = ("/dev/", "/proc/", "/sys/", "/run/", "/var/run/", "/tmp/", "/var/tmp/")  # noqa: S108 - in an image
_STEM: Final = re.compile(r"[^/]+?\.so(?=\.|$)")
# The kernel of the first platform also starts programs of the second.
_ALSO_RUNS: Final = {Platform(architecture="amd64"): Platform(architecture="386")}


def stem_of(name: str) -> str:
    """Return the name of a library without its version.

    >>> stem_of("libz.so.1.3"), stem_of("busybox")
    ('libz.so', 'busybox')
    """
    found = _STEM.match(name)
    return found[0] if found is not None else name


@dataclass(frozen=True)
class View:
    """What a check of programs needs to know; everything is derived from the snapshot, once."""

    snapshot: Snapshot
    foreign: tuple[str, ...]
    """Patterns of paths that are not checked."""

    @property
    def rootfs(self) -> RootFS:
        """The root filesystem."""
        return self.snapshot.rootfs

    @property
    def config(self) -> ImageConfig:
        """The image's configuration."""
        return self.snapshot.image.config

    @property
    def binaries(self) -> Binaries:
        """What can be executed."""
        return self.snapshot.facts.binaries

    @cached_property
    def by_name(self) -> Mapping[str, str]:
        """The path of the first ELF file of each name, and of each name without the version after ``.so``."""
        found: dict[str, str] = {}
        for path in (binary.path for binary in self.binaries.elves):
            base = posixpath.basename(path)
            found.setdefault(base, path)
            found.setdefault(stem_of(base), path)
        return found

    @cached_property
    def search_path(self) -> tuple[str, ...]:
        """The directories of PATH; an empty one is the working directory."""
        path = self.config.env.get("PATH", _DEFAULT_PATH)
        return tuple(part or self.config.working_dir or "/" for part in path.split(":"))

    @cached_property
    def service_path(self) -> tuple[str, ...]:
        """Where services of s6-overlay find programs: its own directory, the default ones, and those of PATH."""
        return tuple(dict.fromkeys(("/command", *_DEFAULT_PATH.split(":"), *self.search_path)))

    def comes_later(self, path: str) -> bool:
        """Whether *path* is in a volume, or where engines and programs put files when a container starts."""
        volumes = (posixpath.join(posixpath.normpath(volume), "") for volume in self.config.volumes)
        return posixpath.join(path, "").startswith((*_MADE_LATER, *volumes))

    def is_anywhere(self, name: str) -> bool:
        """Whether any folder of the image has something of that *name*."""
        return any(posixpath.basename(path) == name for path in self.snapshot.entries)

    def is_foreign(self, path: str) -> bool:
        """Whether the file at *path* is not checked, or is a prebuilt file that nobody loads here."""
        return path in self.snapshot.unloaded or matches(path, self.foreign)

    def runs(self, elf: ElfFile) -> bool:
        """Whether the platform's kernel can start *elf*, by its machine."""
        also = _ALSO_RUNS.get(self.snapshot.platform)
        return is_for(elf, self.snapshot.platform) or (also is not None and is_for(elf, also))

    def not_executable(self, path: str) -> str:
        """Return why the kernel would not execute what *path* leads to; empty where it would."""
        found = self.snapshot.entry(path)
        if found is None:
            linked = self.rootfs.lstat(path)
            return "nothing there" if linked is None else f"a link to nothing, {linked.target!r}"
        if not found.is_file:
            return f"a {found.kind}"
        return "" if found.executable else f"a file that nobody may execute (mode {found.mode:o})"

    def on_path(self, name: str, folders: Iterable[str] | None = None) -> str | None:
        """Return the program *name* on PATH; else the first file of that name there, or None.

        Args:
            name: without folders.
            folders: those of another PATH than the image's.
        """
        places = [f"{directory.rstrip('/')}/{name}" for directory in (self.search_path if folders is None else folders)]
        files = [place for place in places if (entry := self.snapshot.entry(place)) is not None and entry.is_file]
        return next((place for place in files if not self.not_executable(place)), files[0] if files else None)

    def finding(self, subject: str, expected: str, actual: str, hint: str = "") -> Finding:
        """Return a finding of this check."""
        return Finding(check="runnable", subject=subject, expected=expected, actual=actual, hint=hint)
