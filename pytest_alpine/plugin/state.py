"""The state of the plugin in one pytest process. It is created at its first use, and kept in the config's stash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from pytest_alpine.plugin.session import AlpineSession

_KEY: Final = pytest.StashKey["AlpineSession"]()


def session_of(config: pytest.Config) -> AlpineSession:
    """Return the state of this process. The first call creates it, and registers the hooks that use it.

    Raises:
        pytest.UsageError: an option has a wrong value.
    """
    session = config.stash.get(_KEY, None)
    if session is None:
        from pytest_alpine.plugin.session_hooks import register_hooks

        session = config.stash[_KEY] = register_hooks(config)
    return session
