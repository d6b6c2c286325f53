"""Containers started before they are needed and stopped after, off the tests' own path."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from pytest_alpine.engine.base import Container

Key = TypeVar("Key", bound=Hashable)

# Starting is waiting for the engine, not computing: a few more than the cores keep both busy.
_AHEAD: Final = (os.cpu_count() or 1) + 2


class ContainerPool(Generic[Key]):
    """One container per key, started by *start* in background threads, a bounded number ahead of the tests."""

    def __init__(self, start: Callable[[Key], Container], ahead: int = _AHEAD) -> None:
        self._start = start
        self._ahead = ahead
        self._threads = ThreadPoolExecutor(max_workers=ahead, thread_name_prefix="pytest-alpine")
        self._expected: list[Key] = []
        self._containers: dict[Key, Future[Container]] = {}
        self._stopping: list[Future[None]] = []

    def expect(self, keys: Iterable[Key]) -> None:
        """Say which containers will be needed, in order; the first of them are started at once."""
        self._expected = list(dict.fromkeys(keys))
        self._start_ahead()

    def get(self, key: Key) -> Container:
        """Return the running container of *key*; wait for it if it is being started.

        Raises:
            AlpineError: it could not be started; every call for this key raises the same.
        """
        if key in self._expected:
            self._expected.remove(key)
        future = self._begin(key)
        self._start_ahead()
        return future.result()

    def release(self, key: Key) -> None:
        """Stop the container of *key* in the background, and start the next one in its place."""
        future = self._containers.pop(key, None)
        if key in self._expected:
            self._expected.remove(key)
        if future is not None:
            self._stopping.append(self._threads.submit(_stop, future))
        self._start_ahead()

    def forget(self, key: Key) -> None:
        """Leave the container of *key* running for good."""
        self._containers.pop(key, None)

    def close(self) -> None:
        """Stop every container and return when all are gone.

        Raises:
            AlpineError: a container could not be stopped.
        """
        self._expected.clear()
        for key in list(self._containers):
            self.release(key)
        self._threads.shutdown()
        for stopped in self._stopping:
            stopped.result()

    def _start_ahead(self) -> None:
        while self._expected and len(self._containers) < self._ahead:
            self._begin(self._expected.pop(0))

    def _begin(self, key: Key) -> Future[Container]:
        if key not in self._containers:
            self._containers[key] = self._threads.submit(self._start, key)
        return self._containers[key]


def _stop(future: Future[Container]) -> None:
    if future.exception() is None:
        future.result().stop()
