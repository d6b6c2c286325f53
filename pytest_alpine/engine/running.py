"""The registry of containers that one engine has started, so that the engine can stop all of them at its end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_STOPPED_AT_ONCE: Final = 8


class RunningContainers:
    """The containers that exist, or may exist, by name. Several threads may use it at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closes: dict[str, Callable[[], object]] = {}

    def add(self, name: str, close: Callable[[], object]) -> None:
        """Record that the container *name* may exist.

        Args:
            name: a second call with the same name replaces the first.
            close: stops it, unless it is kept.
        """
        with self._lock:
            self._closes[name] = close

    def forget(self, name: str) -> None:
        """Record that the container *name* was removed; a second call does nothing."""
        with self._lock:
            self._closes.pop(name, None)

    def close(self) -> None:
        """Stop all containers at the same time, except kept ones. Tries those that could not be stopped before again.

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
