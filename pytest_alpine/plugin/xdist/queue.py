"""The tests that xdist has sent to this worker so far. They arrive in portions, and xdist may take some back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


class WorkerQueue:
    """The queue of an xdist worker."""

    def __init__(self, session: pytest.Session) -> None:
        self._items = session.items
        plugins = session.config.pluginmanager.get_plugins()
        # xdist's plugin in the worker has no name. Before xdist 3.7 its queue cannot be read.
        queues = (getattr(plugin, "torun", None) for plugin in plugins)
        self._queue: Any = next((queue for queue in queues if hasattr(queue, "lock")), None)
        self._last = -1

    def changed(self, item: pytest.Item, following: pytest.Item | None) -> Sequence[pytest.Item] | None:
        """Return the tests that this worker runs from *item* on; None if they are the ones of the last call."""
        ahead = [item] if following is None else [item, following]
        if self._queue is None:
            return ahead
        with self._queue.lock() as numbers:
            known, self._last = self._last - 1, len(numbers)
            if self._last == known:
                return None
            return ahead + [self._items[number] for number in numbers if isinstance(number, int)]
