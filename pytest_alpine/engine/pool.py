"""Containers started before they are needed and stopped after, off the tests' own path."""

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

# Starting is waiting for the engine, not computing: a few more than the cores keep both busy.
_MORE_THAN_CORES: Final = 4
# Stopping has threads of its own: nobody waits for it before the end, and starts must not wait for it either.
_STOPPING: Final = 4
_ROOM: Final = 256 << 20
_MEMINFO: Final = Path("/proc/meminfo")


class StartLimit(NamedTuple):
    """How many containers may run before anybody asks for them: the smaller number."""

    by_cores: int
    by_memory: int
    """One for each 256 MiB that the machine has available now."""

    @classmethod
    def now(cls, processes: int = 1, *, cores: int | None = None, meminfo: Path = _MEMINFO) -> StartLimit:
        """Return what one of so many *processes*, which share the machine, may start."""
        by_cores = max(1, ((cores or os.cpu_count() or 1) + _MORE_THAN_CORES) // processes)
        available = available_memory(meminfo)
        return cls(by_cores, by_cores if available is None else available // _ROOM // processes)


def available_memory(meminfo: Path = _MEMINFO) -> int | None:
    """Return the bytes that new processes can have without swapping; None where the kernel does not tell.

    Spec: proc_meminfo(5), "MemAvailable"
    """
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)


class ContainerPool(Generic[Key]):
    """Containers of each key: one that is shared, and fresh ones. For use by one thread; it has others that work."""

    def __init__(self, start: Callable[[Key], Container], ahead: Callable[[], StartLimit] = StartLimit.now) -> None:
        """Start nothing yet.

        Args:
            start: starts a container; it is called in several threads.
            ahead: how many may be started before they are asked for; asked anew each time.
        """
        self._start = start
        self._ahead = ahead
        self._starting = ThreadPoolExecutor(max(1, ahead().by_cores), thread_name_prefix="pytest-alpine-start")
        self._stopping = ThreadPoolExecutor(_STOPPING, thread_name_prefix="pytest-alpine-stop")
        self._plan: deque[tuple[Key, bool]] = deque()
        self._shared: dict[Key, Future[Container]] = {}
        self._untaken: set[Key] = set()
        self._spare: defaultdict[Key, deque[Future[Container]]] = defaultdict(deque)
        self._stopped: list[Future[None]] = []
        self._closed = False

    def expect(self, needs: Iterable[tuple[Key, bool]]) -> None:
        """Say which containers will be asked for, in order, and whether fresh; the first of them are started at once.

        What was said before no longer counts; containers that run already do.
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
        """Return a container of *key* that nobody had before, and is the caller's to ``stop``.

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
        """Stop a container that was taken, in the background; after ``close``, at once."""
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
        """Stop those fresh containers of *key* that are more than the *needed* ones, and start no more."""
        while self._spare[key] and len(self._spare[key]) + self._plan.count((key, True)) > needed:
            if not self._unplan(key, fresh=True):
                self._stop_started(self._spare[key].pop())
        self._start_ahead()

    def forget(self, key: Key, container: Container) -> None:
        """Leave *container* running for good, where it is the shared one of *key*."""
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
        while self._plan and self._waiting() < min(self._ahead()):
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
        """Start a container that nobody had expected: those that are expected keep the threads busy."""
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
