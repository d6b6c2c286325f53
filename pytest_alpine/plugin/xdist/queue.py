"""The tests that xdist has dealt to this worker so far: they come in portions, and others may take them away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


class DealtTests:
    """What lies in the queue of an xdist worker."""

    def __init__(self, session: pytest.Session) -> None:
        self._items = session.items
        plugins = session.config.pluginmanager.get_plugins()
        # The worker's own plugin of xdist has no name. Before 3.7 its queue cannot be looked into.
        queues = (getattr(plugin, "torun", None) for plugin in plugins)
        self._queue: Any = next((queue for queue in queues if hasattr(queue, "lock")), None)
        self._last = -1

    def news(self, item: pytest.Item, following: pytest.Item | None) -> Sequence[pytest.Item] | None:
        """Return the tests that this worker is to run from *item* on, if they are others than were known."""
        ahead = [item] if following is None else [item, following]
        if self._queue is None:
            return ahead
        with self._queue.lock() as numbers:
            known, self._last = self._last - 1, len(numbers)
            if self._last == known:
                return None
            return ahead + [self._items[number] for number in numbers if isinstance(number, int)]
