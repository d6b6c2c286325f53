"""The engine of a pytest process, and the containers of cells that it runs."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import AlpineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_alpine.engine.base import Engine
    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image
    from pytest_alpine.matrix.cells import Cell
    from pytest_alpine.plugin.containers import CellContainers
    from pytest_alpine.plugin.settings import Settings
    from pytest_alpine.plugin.xdist.workers import Worker

KEPT: Final = "alpine: kept"
"""The heading of the section of a failed test's report that says how to enter a container that was kept."""


class RunningCells:
    """The engine, which is opened when it is first needed, and its containers."""

    def __init__(self, settings: Settings, worker: Worker, open_image: Callable[[Cell], Image]) -> None:
        """Start no container yet.

        Args:
            settings: what the options say.
            worker: this process's place among the processes of the run.
            open_image: returns the image of a cell.
        """
        self._settings = settings
        self._worker = worker
        self._open_image = open_image
        self._engine: Engine | None = None
        # Containers start in threads beside the tests.
        self._opening = RLock()
        self._emulated: dict[Cell, bool] = {}

    @property
    def engine(self) -> Engine:
        """The engine that ``--alpine-engine`` chooses; opening it removes what killed runs left behind on it.

        Raises:
            EngineUnavailable: no engine answers.
        """
        with self._opening:
            if self._engine is None:
                from pytest_alpine.engine.hosts import open_engine

                settings = self._settings
                self._engine = open_engine(settings.engine, settings.hosts, settings.network)
            return self._engine

    @cached_property
    def containers(self) -> CellContainers:
        """The containers of the cells, running or starting."""
        from pytest_alpine.plugin.containers import CellContainers

        return CellContainers(self._start, processes=self._worker.processes, whole_cells=self._worker.whole_cells)

    def expect(self, needs: Sequence[tuple[Cell, bool]]) -> None:
        """Start the first containers that the next tests need; see ``CellContainers.expect``."""
        if not needs or self._settings.engine == "none":
            return
        alone = self._settings.engine == "bubblewrap" and not self._settings.hosts
        if not alone or any(not cell.reference.is_on_disk for cell, _ in needs):
            # Not in the threads that use it: two threads that import at once can see half of libraries that import
            # each other, and requests ignores a warning of its own while it loads, when pytest changes what is
            # ignored around a test.
            import_module("docker")
        self.containers.expect(needs)

    def finished(self, needs: Sequence[tuple[Cell, bool]]) -> None:
        """Record that a test with these needs has ended; stop the containers that no other test needs."""
        if self._has_containers:
            self.containers.finished(needs)

    def is_emulated(self, cell: Cell) -> bool | None:
        """Whether the containers of *cell* are emulated; None if none was started."""
        return self._emulated.get(cell)

    def explain(self, cell: Cell, fixtures: Iterable[object]) -> Iterator[tuple[str, str]]:
        """Yield sections for the report of a failed test of *cell* about those of its *fixtures* that are containers.

        With ``--alpine-keep`` the containers stay, and a section says how to enter them.
        """
        if not self._has_containers:
            return
        from pytest_alpine.engine.container import Container
        from pytest_alpine.report.sections import container_sections

        for found in fixtures:
            if isinstance(found, Container):  # a suite may override the fixtures
                yield from container_sections(found)
                if self._settings.keep:
                    yield KEPT, self._keep(cell, found)

    def close(self) -> Iterator[str]:
        """Stop all containers and close the engine; yield a line for each problem."""
        engine, self._engine = self._engine, None
        with suppress(AlpineError):  # the engine tries to stop it again, and reports the error
            if self._has_containers:
                self.containers.close()
        try:
            if engine is not None:
                engine.close()
        except AlpineError as error:
            yield str(error)

    @property
    def _has_containers(self) -> bool:
        return "containers" in self.__dict__

    def _keep(self, cell: Cell, container: Container) -> str:
        """Keep *container*; return how to enter and to remove it."""
        try:
            self.containers.keep(container, cell)
        except AlpineError as error:
            return str(error)
        enter, remove = map(self._worker.typed, (container.enter_command, container.remove_command))
        return f"{enter}    (to remove it: {remove})"

    def _start(self, cell: Cell) -> Container:
        container = self.engine.start(self._open_image(cell))
        self._emulated[cell] = container.emulated
        return container
