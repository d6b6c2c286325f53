"""Removing what earlier runs left on this machine and nothing uses now: from the store, and from the engines."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.bubblewrap.overlay import remove_left
from pytest_alpine.engine.bubblewrap.unpacked import remove_partial
from pytest_alpine.engine.select import connect_to_store
from pytest_alpine.errors import AlpineError, EngineUnavailable
from pytest_alpine.image.store.prune import Policy, Pruned, prune

if TYPE_CHECKING:
    from pytest_alpine.engine.docker.loaded import RemovedImages
    from pytest_alpine.image.store.store import Store

_WITH_IMAGES: Final = ("docker", "podman")


def prune_store(store: Store, policy: Policy) -> Pruned:
    """Remove what *policy* says from *store*, and what dead sandboxes left there; see ``prune``.

    Raises:
        StoreError: the store cannot be written.
    """
    remove_partial(store.root)
    remove_left(store.root / "containers")
    return prune(store, policy)


def prune_engines(store: Store, unused_for: float | None = None) -> dict[str, RemovedImages | AlpineError | None]:
    """Remove the images that runs loaded into Docker and Podman; see ``remove_loaded``.

    Returns what became of them, by the engine's name: the error where that failed, None where no engine answers.
    """
    return {name: _prune_engine(name, store, unused_for) for name in _WITH_IMAGES}


def _prune_engine(name: str, store: Store, unused_for: float | None) -> RemovedImages | AlpineError | None:
    try:
        client = connect_to_store(name)
    except EngineUnavailable:
        return None
    from pytest_alpine.engine.docker.loaded import remove_loaded

    with closing(client):
        try:
            return remove_loaded(client, store.root, unused_for)
        except AlpineError as error:
            return error
