"""The limit of the cache: what it may hold after a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import AlpineError
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from pytest_alpine.plugin.summary import RunSummary


class CacheLimit:
    """Removes images from the cache at the end of a run; registered in the process that controls the run only."""

    def __init__(self, limit: int, summary: RunSummary) -> None:
        self._limit = limit
        self._summary = summary

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Prune the cache when all else is over: xdist's workers have ended, and the terminal is still there."""
        if not session.config.option.collectonly:
            try:
                self._prune()
            except AlpineError as error:
                self._summary.not_cleaned_up.append(f"alpine_cache_limit: {error}")

    def _prune(self) -> None:
        from pytest_alpine.engine.cleanup import prune_store
        from pytest_alpine.image.store.prune import Policy
        from pytest_alpine.image.store.store import Store

        store = Store.default()
        pruned = prune_store(store, Policy(keep=self._limit))
        told = [*pruned.problems]
        if pruned.left > self._limit:
            left, limit = format_size(pruned.left), format_size(self._limit)
            told.append(f"{store.root} holds {left}, more than {limit}: something uses the rest, or may soon")
        self._summary.not_cleaned_up.extend(f"alpine_cache_limit: {line}" for line in told)
