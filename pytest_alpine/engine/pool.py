"""A pool that starts containers before tests need them, and stops them in the background."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from pytest_alpine.engine.container import Container

Key = TypeVar("Key", bound=Hashable)

# To start a container is mostly waiting for the engine, so that a few more threads than cores keep both busy.
_MORE_THAN_CORES: Final = 4
# Stops have threads of their own, so that starts do not wait for them.
_STOPPING: Final = 4
_ROOM: Final = 256 << 20
_MEMINFO: Final = Path("/proc/meminfo")


class StartLimit(NamedTuple):
    """How many containers may be started before they are needed: the smaller of the two numbers."""

    by_cores: int
    by_memory: int
    """One container for each 256 MiB that the machine has available now."""

    @classmethod
    def now(cls, processes: int = 1, *, cores: int | None = None, meminfo: Path = _MEMINFO) -> StartLimit:
        """Return the limit of one of *processes* that share the machine."""
        by_cores = max(1, ((cores or os.cpu_count() or 1) + _MORE_THAN_CORES) // processes)
        available = available_memory(meminfo)
        return cls(by_cores, by_cores if available is None else available // _ROOM // processes)


def available_memory(meminfo: Path = _MEMINFO) -> int | None:
    """Return the bytes that new processes can use without swapping; None if the kernel does not report them.

    Spec: proc_meminfo(5), "MemAvailable"
    """
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)


class ContainerPool(Generic[Key]):
    """Containers of each key: a shared one, and fresh ones. Only one thread may use the pool itself."""

    def __init__(self, start: Callable[[Key], Container], limit: Callable[[], StartLimit] = StartLimit.now) -> None:
        """Start no container yet.

        Args:
            start: starts a container; it is called in several threads.
            limit: returns how many containers may be started before they are needed; called each time.
        """
        self._start = start
        self._limit = limit
        self._starting = ThreadPoolExecutor(max(1, limit().by_cores), thread_name_prefix="pytest-alpine-start")
        self._stopping = ThreadPoolExecutor(_STOPPING, thread_name_prefix="pytest-alpine-stop")
        self._plan: deque[tuple[Key, bool]] = deque()
        self._shared: dict[Key, Future[Container]] = {}
        self._untaken: set[Key] = set()
        self._spare: defaultdict[Key, deque[Future[Container]]] = defaultdict(deque)
        self._stopped: list[Future[None]] = []
        self._closed = False

    def expect(self, needs: Iterable[tuple[Key, bool]]) -> None:
        """Set the containers that will be needed, in order, and whether fresh. Starts the first of them at once.

        Replaces earlier expectations. Containers that already run are counted.
        """
        spare = {key: len(spares) for key, spares in self._spare.items()}
        told: set[Key] = set(self._shared)
        self._plan.clear()
        for key, fresh in needs:
            if fresh and spare.get(key):
                spare[key] -= 1
            elif fresh or key not in told:
                self._plan.append((key, fresh))
                told.update(() if fresh else (key,))
        self._start_expected()

    def get(self, key: Key) -> Container:
        """Return the shared container of *key*; wait for it if it is being started.

        Raises:
            AlpineError: it could not be started; every call for this key raises the same.
        """
        self._untaken.discard(key)
        if key not in self._shared:
            self._unplan(key, fresh=False)
            self._shared[key] = self._started_here(key)
        self._start_expected()
        return self._shared[key].result()

    def take(self, key: Key) -> Container:
        """Return a fresh container of *key*, which the caller passes to ``stop``.

        Raises:
            AlpineError: it could not be started.
        """
        if self._spare[key]:
            future = self._spare[key].popleft()
        else:
            self._unplan(key, fresh=True)
            future = self._started_here(key)
        self._start_expected()
        return future.result()

    def stop(self, container: Container) -> None:
        """Stop a container that ``take`` returned: in the background, or after ``close`` at once."""
        if self._closed:  # an interrupted run tears down its fixtures last
            container.stop()
        else:
            self._stopped.append(self._stopping.submit(container.stop))

    def release(self, key: Key) -> None:
        """Stop the shared container of *key* in the background, and start the next expected one."""
        self._untaken.discard(key)
        self._unplan(key, fresh=False)
        self._stop_started(self._shared.pop(key, None))
        self._start_expected()

    def trim(self, key: Key, needed: int) -> None:
        """Keep at most *needed* fresh containers of *key*, stop the others, and start no more."""
        while self._spare[key] and len(self._spare[key]) + self._plan.count((key, True)) > needed:
            if not self._unplan(key, fresh=True):
                self._stop_started(self._spare[key].pop())
        self._start_expected()

    def forget(self, key: Key, container: Container) -> None:
        """Remove *container* from the pool if it is the shared one of *key*, so that it stays running."""
        future = self._shared.get(key)
        if future is not None and future.done() and not future.exception() and future.result() is container:
            del self._shared[key]

    def close(self) -> None:
        """Stop every container, and return when all are removed.

        Raises:
            AlpineError: a container could not be stopped.
        """
        self._closed = True
        self._plan.clear()
        self._starting.shutdown(wait=False, cancel_futures=True)
        for key in list(self._shared):
            self._stop_started(self._shared.pop(key))
        for spares in self._spare.values():
            while spares:
                self._stop_started(spares.pop())
        self._starting.shutdown()
        self._stopping.shutdown()
        stopped, self._stopped = self._stopped, []
        for one in stopped:
            one.result()

    def _start_expected(self) -> None:
        while self._plan and self._waiting() < min(self._limit()):
            key, fresh = self._plan.popleft()
            future = self._starting.submit(self._start, key)
            if fresh:
                self._spare[key].append(future)
            else:
                self._shared[key] = future
                self._untaken.add(key)

    def _waiting(self) -> int:
        """Return how many started containers are not used yet."""
        return len(self._untaken) + sum(map(len, self._spare.values()))

    def _started_here(self, key: Key) -> Future[Container]:
        """Start an unexpected container in this thread, because expected ones may keep the workers busy."""
        future: Future[Container] = Future()
        try:
            future.set_result(self._start(key))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        return future

    def _unplan(self, key: Key, *, fresh: bool) -> bool:
        """Remove one container from the plan; return whether there was one."""
        try:
            self._plan.remove((key, fresh))
        except ValueError:
            return False
        return True

    def _stop_started(self, future: Future[Container] | None) -> None:
        if future is not None:
            self._stopped.append(self._stopping.submit(_stop, future))


def _stop(future: Future[Container]) -> None:
    with suppress(CancelledError):  # it never began
        if future.exception() is None:
            future.result().stop()
