"""What one pytest process knows of the run: settings, images, the engine, containers, results."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine.errors import AlpineError, EngineUnavailable, PlatformNotFound, PlatformNotRunnable
from pytest_alpine.options import read_marker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_alpine.declaration import Declaration
    from pytest_alpine.engine.base import Container, Engine
    from pytest_alpine.engine.pool import ContainerPool
    from pytest_alpine.image.image import Image, Size
    from pytest_alpine.image.store import Store
    from pytest_alpine.matrix import Cell
    from pytest_alpine.options import Settings
    from pytest_alpine.report.results import Results

_SHARED_CONTAINER = "alpine_container"


class AlpineSession:
    """The state of the plugin in one process; images and containers are made when first asked for."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self._say = say
        self._matrices: dict[Declaration | None, tuple[Cell, ...]] = {}
        self._notes: dict[tuple[Cell, bool, bool | None, bool], dict[str, Any]] = {}
        self._images: dict[Cell, Image] = {}
        self._engine: Engine | None = None
        # Containers start in threads beside the tests.
        self._first_use = RLock()
        self._opening: dict[Cell, Lock] = {}
        self._waiting: Counter[Cell] = Counter()
        self._unpublished: set[Cell] = set()
        self._emulated: dict[Cell, bool] = {}
        self.kept: list[str] = []
        self.growth: list[str] = []

    @cached_property
    def results(self) -> Results:
        """What became of each cell, where the terminal is."""
        from pytest_alpine.report.results import Results

        return Results()

    @property
    def has_results(self) -> bool:
        """Whether any test of a cell was reported; asking costs nothing in a suite that has none."""
        return "results" in self.__dict__

    @cached_property
    def store(self) -> Store:
        """The local store."""
        from pytest_alpine.engine.select import connect_to_store
        from pytest_alpine.image.store import Store

        engine = self.settings.engine
        return Store.default(pull=self.settings.pull, progress=self._say, connect=lambda: connect_to_store(engine))

    @property
    def engine(self) -> Engine:
        """The engine that ``--alpine-engine`` chooses; what dead runs left is removed from it.

        Raises:
            EngineUnavailable: no engine answers.
        """
        with self._first_use:
            if self._engine is None:
                from pytest_alpine.engine.select import select_engine

                self._engine = select_engine(self.settings.engine)
                self._engine.sweep()
            return self._engine

    @cached_property
    def containers(self) -> ContainerPool[Cell]:
        """The running containers, one per cell."""
        from pytest_alpine.engine.pool import ContainerPool

        return ContainerPool(self._start)

    def cells(self, marker: pytest.Mark | None) -> tuple[Cell, ...]:
        """Return the cells of a test that carries *marker*; tests that declare the same share them.

        Raises:
            AlpineError: the marker, the ini file or the command line cannot be read.
        """
        declared = None if marker is None else read_marker(marker)
        if declared not in self._matrices:
            from pytest_alpine.matrix import cells

            self._matrices[declared] = cells(self.settings.chosen, declared, self.settings.ini)
        return self._matrices[declared]

    def image(self, cell: Cell) -> Image:
        """Return the image of *cell*, opened once.

        Raises:
            AlpineError: it cannot be had.
        """
        with self._opening.setdefault(cell, Lock()):
            if cell not in self._images:
                self._images[cell] = self._open(cell)
        return self._images[cell]

    def expect(self, items: Sequence[pytest.Item]) -> None:
        """Note which cells the tests *items* need, and start the first containers if they run in this process."""
        users = [cell for item in items if (cell := cell_of(item)) and _SHARED_CONTAINER in fixtures_of(item)]
        self._waiting = Counter(users)

    def start_ahead(self) -> None:
        """Start the first of the containers that are waited for."""
        if self._waiting and self.settings.engine != "none":
            self.containers.expect(self._waiting)

    def finished(self, item: pytest.Item) -> None:
        """Stop the container of *item*'s cell after the last test that shares it."""
        cell = cell_of(item)
        if cell is None or cell not in self._waiting or _SHARED_CONTAINER not in fixtures_of(item):
            return
        self._waiting[cell] -= 1
        if not self._waiting[cell] and "containers" in self.__dict__:
            self.containers.release(cell)

    def keeps(self, item: pytest.Item, container: Container) -> bool:
        """Whether *container* stays for a look because *item* failed; notes how to enter it."""
        if not (self.settings.keep and item.stash.get(failed_key, False)):
            return False
        self.kept.append(f"{item.nodeid}: {container.keep()}")
        return True

    def keep_shared(self, item: pytest.Item) -> None:
        """Take the shared container of a failed *item* out of the pool when it is to be kept."""
        cell = cell_of(item)
        if cell is not None and self.settings.keep and _SHARED_CONTAINER in fixtures_of(item):
            container = item.funcargs.get(_SHARED_CONTAINER)  # type: ignore[attr-defined]
            if container is not None and self.keeps(item, container):
                self.containers.forget(cell)

    def note(self, cell: Cell) -> dict[str, Any]:
        """Return what a report tells of *cell*."""
        known = (cell, cell in self._unpublished, self._emulated.get(cell), cell in self._images)
        if known not in self._notes:
            self._notes[known] = self._note(cell)
        return self._notes[known]

    def hold_sizes(self) -> bool:
        """Hold the images against the size ledger, or rewrite it; return whether any grew beyond the tolerance."""
        if self.settings.sizes is None or not self.has_results:
            return False
        from pytest_alpine.ledger import Ledger

        ledger = Ledger.read(self.settings.sizes)
        if self.settings.update_sizes:
            ledger.updated(self.results).write(self.settings.sizes)
        else:
            self.growth = list(ledger.growth(self.results))
        return bool(self.growth)

    def close(self) -> None:
        """Stop all containers and let go of the engine."""
        if "containers" in self.__dict__:
            self.containers.close()
        if self._engine is not None:
            self._engine.close()

    def _open(self, cell: Cell) -> Image:
        with self._first_use:  # two threads that import libraries of one circle can see half of them
            from pytest_alpine.image.open import open_image

            if cell.reference.is_named:
                import_module("docker")
        try:
            return open_image(cell.reference, cell.platform, store=self.store)
        except PlatformNotFound:
            self._unpublished.add(cell)
            raise

    def _note(self, cell: Cell) -> dict[str, Any]:
        from pytest_alpine.report.results import CellNote

        image = self._images.get(cell)
        size = None if image is None else _size(image)
        return CellNote(
            tag=cell.tag,
            platform=str(cell.platform),
            reference=str(cell.reference),
            published=cell not in self._unpublished,
            emulated=self._emulated.get(cell),
            digest=image.digest if image else None,
            compressed=size.compressed if size else None,
            unpacked=size.unpacked if size else None,
            rootfs=size.rootfs if size else None,
            packages=_packages(image) if image and self.settings.sizes else None,
        ).to_json()

    def _start(self, cell: Cell) -> Container:
        container = self.engine.start(self.image(cell))
        self._emulated[cell] = container.emulated
        return container


alpine_key = pytest.StashKey[AlpineSession]()
failed_key = pytest.StashKey[bool]()


def cell_of(item: pytest.Item) -> Cell | None:
    """Return the cell that *item* tests, or None."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or "alpine_cell" not in callspec.params:
        return None
    from pytest_alpine.matrix import Cell

    cell = callspec.params["alpine_cell"]  # pytest has a mark of its own for a test whose matrix is empty
    return cell if isinstance(cell, Cell) else None


def fixtures_of(item: pytest.Item) -> Sequence[str]:
    """Return the names of the fixtures that *item* uses."""
    return getattr(item, "fixturenames", ())


@contextmanager
def problems_told(settings: Settings, cell: Cell | None = None) -> Iterator[None]:
    """Turn errors into a failure or a skip, with the message alone: the stack of a plugin helps nobody."""
    __tracebackhide__ = True
    try:
        yield
    except PlatformNotFound as error:
        _end(str(error), skip=settings.missing == "skip" or (cell is not None and not cell.declared))
    except (EngineUnavailable, PlatformNotRunnable) as error:
        _end(f"{error} (--alpine-missing=skip skips such tests)", skip=settings.missing == "skip")
    except AlpineError as error:
        _end(f"{cell}: {error}" if cell else str(error), skip=False)


def _end(message: str, *, skip: bool) -> None:
    __tracebackhide__ = True
    if skip:
        pytest.skip(message)
    pytest.fail(message, pytrace=False)


def _size(image: Image) -> Size | None:
    try:
        return image.size
    except AlpineError:  # the test that needs it tells what is wrong
        return None


def _packages(image: Image) -> dict[str, int]:
    from pytest_alpine.budget import sizes_by_package

    try:
        return sizes_by_package(image)
    except AlpineError:  # no database: the ledger keeps the sums alone
        return {}
