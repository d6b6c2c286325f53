"""The containers of one test process: started before a test needs them, stopped when no test needs them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_alpine.engine.pool import ContainerPool, StartLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_alpine.engine.container import Container
    from pytest_alpine.matrix.cells import Cell


class CellContainers:
    """Counts the containers that tests still need of each cell, to start them ahead and to stop them in time."""

    def __init__(self, start: Callable[[Cell], Container], *, processes: int, whole_cells: bool) -> None:
        """Start no container yet.

        Args:
            start: starts a container of a cell.
            processes: how many such processes share the machine.
            whole_cells: whether this process gets all tests of a cell at once; else more of them may come later.
        """
        self._processes = processes
        self._whole_cells = whole_cells
        self._pool = ContainerPool(start, self._limit)
        self._left: Counter[tuple[Cell, bool]] = Counter()
        self._idle: set[Cell] = set()
        self._kept: set[str] = set()

    def expect(self, needs: Sequence[tuple[Cell, bool]]) -> None:
        """Set the containers that the next tests need, in order: the cell of each, and whether it is a fresh one."""
        self._left = Counter(needs)
        self._idle.difference_update(cell for cell, fresh in needs if not fresh)
        self._pool.expect(needs)

    def finished(self, needs: Sequence[tuple[Cell, bool]]) -> None:
        """Record that a test with these needs has ended; stop the containers that no other test needs."""
        for cell, fresh in needs:
            self._left[cell, fresh] -= 1
            left = self._left[cell, fresh]
            if fresh:
                self._pool.trim(cell, left)
            elif left <= 0:
                self._idle.add(cell)
        if self._idle and (self._whole_cells or not self._limit().by_memory):
            for cell in self._idle:
                self._pool.release(cell)
            self._idle.clear()

    def shared(self, cell: Cell) -> Container:
        """Return the running container of *cell* that its tests share.

        Raises:
            AlpineError: it could not be started.
        """
        return self._pool.get(cell)

    def fresh(self, cell: Cell) -> Container:
        """Return a container of *cell* that no test has used; ``release`` it afterwards.

        Raises:
            AlpineError: it could not be started.
        """
        return self._pool.take(cell)

    def release(self, container: Container) -> None:
        """Stop a fresh container in the background, unless it is kept."""
        if container.id not in self._kept:
            self._pool.stop(container)

    def keep(self, container: Container, cell: Cell) -> None:
        """Leave *container* running permanently; a second call does nothing.

        Raises:
            EngineError: the engine refused.
        """
        if container.id not in self._kept:
            container.keep()
            self._kept.add(container.id)
            self._pool.forget(cell, container)

    def close(self) -> None:
        """Stop every container that is not kept, and return when all are removed.

        Raises:
            AlpineError: one could not be stopped.
        """
        self._pool.close()

    def _limit(self) -> StartLimit:
        return StartLimit.now(self._processes)
