"""What one pytest process knows of the run: settings, images, the engine, containers, results."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib import import_module
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_alpine.errors import AlpineError, PlatformNotFound
from pytest_alpine.plugin.items import FRESH, SHARED, cell_of, needs_of
from pytest_alpine.plugin.options import read_markers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_alpine.engine.base import Engine
    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.access import Access
    from pytest_alpine.image.image import Image, Size
    from pytest_alpine.matrix.cells import Cell
    from pytest_alpine.matrix.declaration import Declaration
    from pytest_alpine.plugin.containers import CellContainers
    from pytest_alpine.plugin.options import Settings
    from pytest_alpine.plugin.xdist.workers import Role
    from pytest_alpine.report.results import Results

KEPT: Final = "alpine: kept"
"""The heading in a report under which it stands how to enter a container."""


class AlpineSession:
    """The state of the plugin in one process; images and containers are made when first asked for."""

    def __init__(self, settings: Settings, say: Callable[[str], None], role: Role) -> None:
        """Make nothing yet.

        Args:
            settings: what the options say.
            say: tells the user of long steps.
            role: the part of this process in the run.
        """
        self.settings = settings
        self._say = say
        self._matrices: dict[Declaration | None, tuple[Cell, ...]] = {}
        self._notes: dict[tuple[Cell, bool, bool | None, bool], dict[str, Any]] = {}
        self._role = role
        self._images: dict[Cell, Image] = {}
        self._left: Counter[Cell] = Counter()
        self._engine: Engine | None = None
        # Containers start in threads beside the tests.
        self._first_use = RLock()
        self._opening: dict[Cell, Lock] = {}
        self._unpublished: set[Cell] = set()
        self._emulated: dict[Cell, bool] = {}
        self.kept: list[str] = []
        self.problems: list[str] = []
        self.growth: list[str] = []
        self.unwritten: list[str] = []

    @cached_property
    def results(self) -> Results:
        """What became of each cell, where the terminal is."""
        from pytest_alpine.report.results import Results

        return Results(self.settings.chosen.over(self.settings.ini).tags or ())

    @property
    def has_results(self) -> bool:
        """Whether any test of a cell was reported; asking costs nothing in a suite that has none."""
        return "results" in self.__dict__

    @cached_property
    def access(self) -> Access:
        """What all images of the run share: the local store, and what tags led to."""
        from pytest_alpine.engine.select import connect_to_store
        from pytest_alpine.image.access import Access

        engine = self.settings.engine
        return Access(pull=self.settings.pull, progress=self._say, connect=lambda: connect_to_store(engine))

    @property
    def engine(self) -> Engine:
        """The engine that ``--alpine-engine`` chooses; what dead runs left is removed from it.

        Raises:
            EngineUnavailable: no engine answers.
        """
        with self._first_use:
            if self._engine is None:
                from pytest_alpine.engine.hosts import open_engine

                self._engine = open_engine(self.settings.engine, self.settings.hosts, self.settings.network)
            return self._engine

    @cached_property
    def containers(self) -> CellContainers:
        """The containers of the cells, running or about to."""
        from pytest_alpine.plugin.containers import CellContainers

        return CellContainers(self._start, processes=self._role.processes, whole_cells=self._role.whole_cells)

    def cells(self, markers: Iterable[pytest.Mark]) -> tuple[Cell, ...]:
        """Return the cells of a test that carries *markers*, the closest first; tests that declare the same share them.

        Raises:
            AlpineError: a marker, the ini file or the command line cannot be read.
        """
        declared = read_markers(markers)
        if declared not in self._matrices:
            from pytest_alpine.matrix.cells import cells

            self._matrices[declared] = cells(self.settings.chosen, declared, self.settings.ini, self._role.native)
        return self._matrices[declared]

    def image(self, cell: Cell) -> Image:
        """Return the image of *cell*, opened once.

        Raises:
            AlpineError: it cannot be had.
        """
        with self._opening.setdefault(cell, Lock()):
            image = self._images.get(cell)
            if image is None:
                image = self._images[cell] = self._open(cell)
        return image

    def expect(self, items: Sequence[pytest.Item]) -> None:
        """Say which tests run next, in order; the first of the containers that they need are started."""
        self._left = Counter(filter(None, map(cell_of, items)))
        needs = [need for item in items for need in needs_of(item)]
        if not needs or self.settings.engine == "none":
            return
        alone = self.settings.engine == "bubblewrap" and not self.settings.hosts
        if not alone or any(not cell.reference.is_on_disk for cell, _ in needs):
            # Not in the threads that are to use it: two of them can see half of libraries that import each other, and
            # requests ignores a warning of its own while it loads, when pytest changes what is ignored around a test.
            import_module("docker")
        self.containers.expect(needs)

    def finished(self, item: pytest.Item) -> None:
        """Stop what no test needs any more after *item*, and let go of its image, whose facts take memory."""
        cell = cell_of(item)
        if cell is not None:
            self._left[cell] -= 1
            if not self._left[cell]:
                self._images.pop(cell, None)
        if "containers" in self.__dict__:
            self.containers.finished(needs_of(item))

    def explain(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Add to the *report* of a failed test what its containers did, and how to enter them where they are kept."""
        if "containers" not in self.__dict__:
            return
        from pytest_alpine.engine.container import Container
        from pytest_alpine.report.sections import container_sections

        cell = cell_of(item)
        found: Mapping[str, Any] = getattr(item, "funcargs", None) or {}
        for container in map(found.get, (SHARED, FRESH)):
            if isinstance(container, Container):  # a suite may have fixtures of its own by these names
                report.sections.extend(container_sections(container))
                if cell is not None and self.settings.keep:
                    report.sections.append((KEPT, self._kept(cell, container)))

    def note(self, cell: Cell) -> dict[str, Any]:
        """Return what a report tells of *cell*."""
        known = (cell, cell in self._unpublished, self._emulated.get(cell), cell in self._images)
        if known not in self._notes:
            self._notes[known] = self._note(cell)
        return self._notes[known]

    def report(self) -> bool:
        """Write the report files, hold the images against the size ledger, or rewrite it; return whether all is well.

        What is not stands in ``growth`` and ``unwritten``.
        """
        for path in self.settings.reports:
            from pytest_alpine.report.files import write_report

            with self._unwritten_told():
                write_report(path, self.results)
        if self.settings.sizes is not None and self.has_results:
            with self._unwritten_told():
                self._hold_sizes(self.settings.sizes)
        return not (self.growth or self.unwritten)

    def _hold_sizes(self, path: Path) -> None:
        from pytest_alpine.report.ledger import Ledger

        ledger = Ledger.read(path)
        if self.settings.update_sizes:
            ledger.updated(self.results).write(path)
        else:
            self.growth = list(ledger.growth(self.results))

    @contextmanager
    def _unwritten_told(self) -> Iterator[None]:
        try:
            yield
        except AlpineError as error:
            self.unwritten.append(str(error))

    def summary(self) -> Iterator[tuple[str, Iterable[str]]]:
        """Yield headings and lines for the end of the run."""
        if self.has_results:
            from pytest_alpine.report.grid import grid_lines

            # Else the head of the run has said so.
            moving = not self.settings.configured and any(cell.tag == "latest" for cell in self.results)
            note = ["latest moves: pin a tag with --alpine-tag or alpine_tags"] if moving else []
            yield "tag x platform", [*grid_lines(self.results), *note]
        told = {
            "kept containers": self.kept,
            "sizes over the ledger": self.growth,
            "not written": self.unwritten,
            "not cleaned up": self.problems,
        }
        yield from ((heading, lines) for heading, lines in told.items() if lines)

    def close(self) -> None:
        """Stop all containers and let go of the engine; what goes wrong stands in ``problems`` then."""
        engine, self._engine = self._engine, None
        with suppress(AlpineError):  # what could not be stopped, the engine tries again, and tells
            if "containers" in self.__dict__:
                self.containers.close()
        try:
            if engine is not None:
                engine.close()
        except AlpineError as error:
            self.problems.append(str(error))

    def _kept(self, cell: Cell, container: Container) -> str:
        """Keep *container*; return how to enter and to remove it."""
        try:
            self.containers.keep(container, cell)
        except AlpineError as error:
            return str(error)
        enter, remove = map(self._role.typed, (container.enter_command, container.remove_command))
        return f"{enter}    (to remove it: {remove})"

    def _open(self, cell: Cell) -> Image:
        from pytest_alpine.image.open import open_image

        try:
            return open_image(cell.reference, cell.platform, access=self.access)
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
            row=cell.row,
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


def _size(image: Image) -> Size | None:
    try:
        return image.size
    except AlpineError:  # the test that needs it tells what is wrong
        return None


def _packages(image: Image) -> dict[str, int]:
    from pytest_alpine.checks.size import sizes_by_package

    try:
        return sizes_by_package(image)
    except AlpineError:  # no database: the ledger keeps the sums alone
        return {}
