"""The containers that one engine has started: a start adds one, its end forgets it, and closing stops what is left."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_STOPPED_AT_ONCE: Final = 8


class RunningContainers:
    """The containers that exist, or may exist, by name. Any number of threads may use it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closes: dict[str, Callable[[], object]] = {}

    def add(self, name: str, close: Callable[[], object]) -> None:
        """Note that there may be a container *name*.

        Args:
            name: a second call with the same name replaces the first.
            close: stops it, unless it is kept.
        """
        with self._lock:
            self._closes[name] = close

    def forget(self, name: str) -> None:
        """Note that the container *name* is gone; forgetting again does nothing."""
        with self._lock:
            self._closes.pop(name, None)

    def close(self) -> None:
        """Stop all containers at once but those that are kept, those too that could not be stopped before.

        Raises:
            EngineError: one could not be stopped; the others were stopped all the same.
        """
        with self._lock:
            names = list(self._closes)
        with ThreadPoolExecutor(_STOPPED_AT_ONCE) as threads:
            closed = [threads.submit(self._close, name) for name in names]
        for one in closed:
            one.result()

    def _close(self, name: str) -> None:
        with self._lock:
            close = self._closes.get(name)
        if close is not None:  # else it was stopped meanwhile
            close()
            self.forget(name)
