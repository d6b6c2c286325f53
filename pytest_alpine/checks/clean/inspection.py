"""One look at an image or container, shared by all rules: its tree is walked once, its package files indexed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.snapshot import image_of
from pytest_alpine.errors import FileNotInImage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from pytest_alpine.apk.files import PackageFile
    from pytest_alpine.apk.package import Package
    from pytest_alpine.checks.snapshot import Moment
    from pytest_alpine.facts.release import Release
    from pytest_alpine.image.image import Image
    from pytest_alpine.rootfs.base import Entry

TEXT_LIMIT: Final = 1 << 20
"""Bytes of a configuration file that are looked at; real ones have far fewer."""

# What the kernel shows there is no part of an image; a container has its own devices too.
_KERNEL: Final = ("/proc/", "/sys/")
_DEVICES: Final = "/dev/"


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What rules look at. Everything is derived once and kept."""

    target: Image | Moment
    """The image, or the container as it was when the check began."""
    today: date
    """The day that dates are compared with."""

    @cached_property
    def image(self) -> Image:
        """The image itself, or the one that the container runs."""
        return image_of(self.target)

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Everything in the tree by its path, without what the kernel shows there."""
        hidden = _KERNEL if self.target is self.image else (*_KERNEL, _DEVICES)
        return {entry.path: entry for entry in self.target.rootfs.walk() if not entry.path.startswith(hidden)}

    @cached_property
    def release(self) -> Release | None:
        """What the release files tell; None where there are none."""
        try:
            return self.target.release
        except FileNotInImage:
            return None

    @property
    def branch(self) -> str | None:
        """The branch of Alpine that this is; None where it is no Alpine, or does not say."""
        return self.release.branch if self.release is not None and self.release.id == "alpine" else None

    @cached_property
    def package_files(self) -> tuple[tuple[Package, PackageFile, str], ...]:
        """What packages install, with the path where it stands, links in its directories followed."""
        return tuple(
            (package, file, self.place(file.path))
            for package in self.target.packages.values()
            for file in package.files
        )

    @cached_property
    def owners(self) -> Mapping[str, Package]:
        """The package of each path that one owns."""
        return {path: package for package, _, path in self.package_files}

    @cached_property
    def _folders(self) -> dict[str, str]:
        return {}

    def place(self, path: str) -> str:
        """Return *path* with the links in its directories followed, where they lead anywhere."""
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self._resolved(folder) if folder else ""
        return f"{self._folders[folder]}/{name}"

    def owner(self, path: str) -> str:
        """Return how messages call the owner of *path*."""
        package = self.owners.get(path)
        return f"package {package.name}" if package else "no package"

    def below(self, *folders: str) -> Iterator[Entry]:
        """Yield all entries below *folders*, in the order of their paths."""
        tops = tuple(f"{folder.rstrip('/')}/" for folder in folders)
        return (entry for path, entry in self.entries.items() if path.startswith(tops))

    def text(self, path: str) -> str | None:
        """Return the text of the file that *path* leads to, cut at ``TEXT_LIMIT`` bytes; None where there is none."""
        try:
            return self.target.rootfs.read(path, TEXT_LIMIT).decode("utf-8", "surrogateescape")
        except FileNotInImage:
            return None

    def _resolved(self, folder: str) -> str:
        entry = self.entries.get(folder)
        if entry is not None and entry.kind == "directory":
            return folder
        try:
            return self.target.rootfs.resolve(folder).rstrip("/")
        except FileNotInImage:
            return folder
