"""A snapshot of what is checked: an image, or a running container as it was at one moment.

A check of a whole image asks thousands of questions. Each of them would be a command of its own in a container, and
take half a second where it is emulated. One copy of the container's files answers all of them, for one moment.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.database import has_installed
from pytest_alpine.apk.package import Packages
from pytest_alpine.checks.prebuilt import unloaded_prebuilts
from pytest_alpine.checks.today import today as current_day
from pytest_alpine.errors import FileNotInImage
from pytest_alpine.facts.base import KeptFacts, RootFSFacts
from pytest_alpine.facts.owners import Owners
from pytest_alpine.image.image import Image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from pytest_alpine.apk.package import Package
    from pytest_alpine.engine.container import Container
    from pytest_alpine.facts.release import Release
    from pytest_alpine.platforms import Platform
    from pytest_alpine.rootfs.base import Entry, RootFS

TEXT_LIMIT: Final = 1 << 20
"""Bytes of a configuration file that are looked at; real ones have far fewer."""

# The kernel shows these in a container; they are no part of an image. A container has devices of its own too.
_KERNEL: Final = ("/proc/", "/sys/")
_DEVICES: Final = "/dev/"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """An image, or a running container at one moment, as checks see it.

    The image keeps what is derived from its files, so that all checks of an image derive it once.
    """

    image: Image
    """The image itself, or the one that the container runs."""
    facts: KeptFacts
    """The facts of the image or of the container's files; a fact that cannot be read raises its own error."""
    container: Container | None = None
    today: date = field(default_factory=current_day)
    """The date by which a branch of Alpine must still be supported."""

    @property
    def rootfs(self) -> RootFS:
        """The root filesystem; of a container, without what is mounted into it."""
        return self.facts.rootfs

    @property
    def platform(self) -> Platform:
        """The platform that was asked for."""
        return self.image.platform

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Everything in the root filesystem by its path, without what the kernel shows there."""
        hidden = _KERNEL if self.container is None else (*_KERNEL, _DEVICES)
        return {path: entry for path, entry in self.facts.entries.items() if not path.startswith(hidden)}

    @cached_property
    def packages(self) -> Packages:
        """The installed packages; none where there is no package database.

        Raises:
            DatabaseError: the package database is malformed.
        """
        return self.facts.packages if self._has_packages else Packages()

    @cached_property
    def _owners(self) -> Owners:
        return self.facts.owners if self._has_packages else Owners({}, Packages())

    @cached_property
    def _has_packages(self) -> bool:
        return has_installed(self.rootfs)

    @cached_property
    def unloaded(self) -> frozenset[str]:
        """The paths of prebuilt files of Node packages that nobody loads here; see ``unloaded_prebuilts``."""
        return unloaded_prebuilts(self.facts.binaries.elves, self.platform)

    def owner(self, path: str) -> Package | None:
        """Return the package that installed the file at *path*, or None; see ``Owners``.

        Raises:
            DatabaseError: the package database is malformed.
        """
        return self._owners.owner(path)

    def owner_text(self, path: str) -> str:
        """Return the owner of the file at *path* as messages write it: ``package busybox``, or ``no package``."""
        package = self.owner(path)
        return f"package {package.name}" if package else "no package"

    def named(self, path: str) -> str:
        """Return *path* as messages write it: with its package."""
        return f"{path} ({self.owner(path) or 'no package'})"

    @cached_property
    def release(self) -> Release | None:
        """What the release files tell; None where there are none."""
        try:
            return self.facts.release
        except FileNotInImage:
            return None

    @property
    def branch(self) -> str | None:
        """The branch of Alpine that this is; None where it is not Alpine, or does not say."""
        return self.release.branch if self.release is not None and self.release.id == "alpine" else None

    def entry(self, path: str) -> Entry | None:
        """Return what *path* leads to, links followed, or None."""
        try:
            return self.rootfs.stat(path)
        except FileNotInImage:
            return None

    def below(self, *folders: str) -> Iterator[Entry]:
        """Yield all entries below *folders*, in the order of their paths."""
        tops = tuple(f"{folder.rstrip('/')}/" for folder in folders)
        return (entry for path, entry in self.entries.items() if path.startswith(tops))

    def text(self, path: str) -> str | None:
        """Return the text of the file that *path* leads to, cut at ``TEXT_LIMIT`` bytes; None where there is none."""
        try:
            return self.rootfs.read(path, TEXT_LIMIT).decode("utf-8", "surrogateescape")
        except FileNotInImage:
            return None

    def __str__(self) -> str:
        return str(self.container or self.image)


@contextmanager
def open_snapshot(target: Image | Container, today: date | None = None) -> Iterator[Snapshot]:
    """Open *target* for many questions: an image as it is, a container as it is now.

    Args:
        target: an image or a running container.
        today: the date by which a branch of Alpine must still be supported; when None, that of ``--alpine-today``, or
            today's (UTC).

    Raises:
        EngineError: the engine does not hand out the container's files.
    """
    today = today or current_day()
    if isinstance(target, Image):
        yield Snapshot(image=target, facts=target, today=today)
        return
    with target.snapshot() as rootfs:
        yield Snapshot(image=target.image, facts=RootFSFacts(rootfs), container=target, today=today)


def image_of(target: Image | Container) -> Image:
    """Return the image itself, or the one that a container runs."""
    return target if isinstance(target, Image) else target.image
