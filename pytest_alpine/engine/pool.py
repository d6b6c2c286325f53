"""Containers that are started before tests need them, and stopped after, in other threads."""

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

# A start mostly waits for the engine: a few more threads than cores keep both busy.
_MORE_THAN_CORES: Final = 4
# Stops have threads of their own, so that starts do not wait for them.
_STOPPING: Final = 4
_ROOM: Final = 256 << 20
_MEMINFO: Final = Path("/proc/meminfo")


class StartLimit(NamedTuple):
    """How many containers may run before anybody asks for them: the smaller of two numbers."""

    by_cores: int
    by_memory: int
    """One per 256 MiB of memory that is available now."""

    @classmethod
    def now(cls, processes: int = 1, *, cores: int | None = None, meminfo: Path = _MEMINFO) -> StartLimit:
        """Return the limit for each of so many *processes* that share the machine."""
        by_cores = max(1, ((cores or os.cpu_count() or 1) + _MORE_THAN_CORES) // processes)
        available = available_memory(meminfo)
        return cls(by_cores, by_cores if available is None else available // _ROOM // processes)


def available_memory(meminfo: Path = _MEMINFO) -> int | None:
    """Return the bytes that new processes can have without swapping; None if the kernel does not tell.

    Spec: proc_meminfo(5), "MemAvailable"
    """
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)


class ContainerPool(Generic[Key]):
    """Containers of each key: one that is shared, and fresh ones. One thread uses it; others do its work."""

    def __init__(self, start: Callable[[Key], Container], limit: Callable[[], StartLimit] = StartLimit.now) -> None:
        """Start nothing yet.

        Args:
            start: starts a container; several threads call it.
            limit: how many may run before anybody asks for them; called anew each time.
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
        """Tell which containers tests will ask for, in order, and whether fresh; the first of them are started now.

        This replaces what earlier calls told. Containers that already run are used.
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
        self._start_ahead()

    def get(self, key: Key) -> Container:
        """Return the shared container of *key*; wait for it if it is being started.

        Raises:
            AlpineError: it could not be started; every call for this key raises the same.
        """
        self._untaken.discard(key)
        if key not in self._shared:
            self._unplan(key, fresh=False)
            self._shared[key] = self._started_here(key)
        self._start_ahead()
        return self._shared[key].result()

    def take(self, key: Key) -> Container:
        """Return a container of *key* that nobody has used; the caller must ``stop`` it.

        Raises:
            AlpineError: it could not be started.
        """
        if self._spare[key]:
            future = self._spare[key].popleft()
        else:
            self._unplan(key, fresh=True)
            future = self._started_here(key)
        self._start_ahead()
        return future.result()

    def stop(self, container: Container) -> None:
        """Stop a container that was taken, in the background; after ``close``, in this thread."""
        if self._closed:  # a run that is interrupted ends its fixtures last
            container.stop()
        else:
            self._stopped.append(self._stopping.submit(container.stop))

    def release(self, key: Key) -> None:
        """Stop the shared container of *key* in the background, and start the next one in its place."""
        self._untaken.discard(key)
        self._unplan(key, fresh=False)
        self._stop_started(self._shared.pop(key, None))
        self._start_ahead()

    def trim(self, key: Key, needed: int) -> None:
        """Keep as many fresh containers of *key* as are *needed*, stop the others, and start no more."""
        while self._spare[key] and len(self._spare[key]) + self._plan.count((key, True)) > needed:
            if not self._unplan(key, fresh=True):
                self._stop_started(self._spare[key].pop())
        self._start_ahead()

    def forget(self, key: Key, container: Container) -> None:
        """Leave *container* running if it is the shared one of *key*."""
        future = self._shared.get(key)
        if future is not None and future.done() and not future.exception() and future.result() is container:
            del self._shared[key]

    def close(self) -> None:
        """Stop every container and return when all are gone.

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

    def _start_ahead(self) -> None:
        while self._plan and self._waiting() < min(self._limit()):
            key, fresh = self._plan.popleft()
            future = self._starting.submit(self._start, key)
            if fresh:
                self._spare[key].append(future)
            else:
                self._shared[key] = future
                self._untaken.add(key)

    def _waiting(self) -> int:
        """Return how many containers nobody has asked for yet."""
        return len(self._untaken) + sum(map(len, self._spare.values()))

    def _started_here(self, key: Key) -> Future[Container]:
        """Start a container that was not expected, in this thread: the others are busy with those that are."""
        future: Future[Container] = Future()
        try:
            future.set_result(self._start(key))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        return future

    def _unplan(self, key: Key, *, fresh: bool) -> bool:
        """Take one container out of the plan; return whether it was in there."""
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
