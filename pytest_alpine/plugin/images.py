"""The images of cells. Each is opened when a test first needs it, and dropped after the last test that needs it."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from pytest_alpine.errors import AlpineError, PlatformNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_alpine.image.access import Access
    from pytest_alpine.image.image import Image
    from pytest_alpine.matrix.cells import Cell
    from pytest_alpine.plugin.settings import Settings


class CellImages:
    """The image of each cell, and its sizes."""

    def __init__(self, settings: Settings, say: Callable[[str], None], run: str = "") -> None:
        """Open no image yet.

        Args:
            settings: what the options say.
            say: tells the user about steps that take long.
            run: what names this run in all its processes; empty if there is only this one.
        """
        self._settings = settings
        self._say = say
        self._run = run
        self._images: dict[Cell, Image] = {}
        self._tests_left: Counter[Cell] = Counter()
        # Containers start in threads beside the tests, and each opens its image.
        self._opening: dict[Cell, Lock] = {}
        self._unpublished: set[Cell] = set()
        self._measures: dict[Cell, dict[str, Any]] = {}

    @cached_property
    def access(self) -> Access:
        """The access that all images of the run share: the local store, and the digest of each tag."""
        from pytest_alpine.engine.select import connect_to_store
        from pytest_alpine.image.access import Access

        settings = self._settings
        return Access(
            pull=settings.pull,
            progress=self._say,
            connect=lambda: connect_to_store(settings.engine),
            pull_timeout=settings.pull_timeout,
            run=self._run,
        )

    def get(self, cell: Cell) -> Image:
        """Return the image of *cell*.

        Raises:
            AlpineError: it cannot be fetched or read.
        """
        with self._opening.setdefault(cell, Lock()):
            image = self._images.get(cell)
            if image is None:
                image = self._images[cell] = self._open(cell)
        return image

    def expect(self, cells: Iterable[Cell]) -> None:
        """Count the tests of each cell that will run."""
        self._tests_left = Counter(cells)

    def finished(self, cell: Cell) -> None:
        """Record that a test of *cell* has ended; drop the image after the last one, because its facts take memory."""
        self._tests_left[cell] -= 1
        if self._tests_left[cell] == 0:  # it is negative if the test was not known to be of this cell
            self._images.pop(cell, None)

    def close(self) -> None:
        """Forget all images, which may be removed from the store then."""
        self._images.clear()
        if "access" in self.__dict__:
            self.access.end_uses()

    def describe(self, cell: Cell) -> dict[str, Any]:
        """Return whether the image of *cell* is published and, if it was opened, its digest and sizes in bytes."""
        image = self._images.get(cell)
        if image is not None and cell not in self._measures:
            self._measures[cell] = _measure(image, packages=self._settings.sizes is not None)
        return {"published": cell not in self._unpublished, **self._measures.get(cell, {})}

    def _open(self, cell: Cell) -> Image:
        from pytest_alpine.image.open import open_image

        try:
            return open_image(cell.reference, cell.platform, access=self.access)
        except PlatformNotFound:
            self._unpublished.add(cell)
            raise


def _measure(image: Image, *, packages: bool) -> dict[str, Any]:
    try:
        size = image.size
    except AlpineError:  # the test that needs the size fails with this error
        return {"digest": image.digest}
    sizes = {"compressed": size.compressed, "unpacked": size.unpacked, "rootfs": size.rootfs}
    return {"digest": image.digest, **sizes, **({"packages": _packages(image)} if packages else {})}


def _packages(image: Image) -> dict[str, int]:
    from pytest_alpine.checks.size import sizes_by_package

    try:
        return sizes_by_package(image)
    except AlpineError:  # an image without a package database has sizes too
        return {}
