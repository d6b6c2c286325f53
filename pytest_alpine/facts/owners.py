"""Owners of files: the package that installed the file at a path.

The package database records the paths that packages were built with. If a directory in such a path is a link in the
image, as ``/lib`` or ``/var/run`` may be, the file has another path. Only this module follows these links.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pytest_alpine.apk.files import file_paths
from pytest_alpine.errors import FileNotInImage
from pytest_alpine.rootfs.lookup import follow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_alpine.apk.files import PackageFile
    from pytest_alpine.apk.package import Package, Packages
    from pytest_alpine.rootfs.base import Entry


class Owners:
    """The files of a root filesystem and the packages that installed them; computed at the first use, then kept."""

    def __init__(self, entries: Mapping[str, Entry], packages: Packages) -> None:
        """Keep *entries* and *packages*.

        Args:
            entries: every entry of the root filesystem, by its path.
            packages: the installed packages.
        """
        self._entries = entries
        self._packages = packages
        self._folders: dict[str, str] = {}

    def owner(self, path: str) -> Package | None:
        """Return the package that installed the file at *path*, or None; directories belong to no package."""
        return self.by_path.get(path) or self.by_path.get(self.place(path))

    @cached_property
    def by_path(self) -> Mapping[str, Package]:
        """The package of each file that has one, by the path of the file without links in its directories.

        A deleted file still belongs to its package. If two packages record one file, the last package in the database
        owns it.
        """
        return {self.place(path): package for package in self._packages.values() for path in file_paths(package.rows)}

    @cached_property
    def files(self) -> tuple[tuple[Package, PackageFile, str], ...]:
        """Each file of each package as the database records it, and its path in the image."""
        return tuple(
            (package, file, self.place(file.path)) for package in self._packages.values() for file in package.files
        )

    def place(self, path: str) -> str:
        """Return *path* with the links in its directories followed, or *path* itself if they lead nowhere."""
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self._real(folder)
        return f"{self._folders[folder]}/{name}"

    def _real(self, folder: str) -> str:
        try:
            found = follow(self._entries.get, folder)
        except FileNotInImage:  # a loop of links
            found = None
        return folder if found is None else found.path.rstrip("/")
