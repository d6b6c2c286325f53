"""Containers without a daemon: sandboxes of bubblewrap, over root filesystems that are unpacked in the store.

Spec: https://github.com/containers/bubblewrap
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.engine.base import NO_NETWORK
from pytest_alpine.engine.bubblewrap.link import SpawnerLink
from pytest_alpine.engine.bubblewrap.overlay import remove_left
from pytest_alpine.engine.bubblewrap.program import find_bubblewrap, look_bubblewrap
from pytest_alpine.engine.bubblewrap.unpacked import remove_partial
from pytest_alpine.engine.emulation import Machines, describe_platforms, read_handlers
from pytest_alpine.engine.running import RunningContainers
from pytest_alpine.errors import EngineUnavailable
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_alpine.engine.base import Engine
    from pytest_alpine.engine.bubblewrap.container import BubblewrapContainer
    from pytest_alpine.image.image import Image


class BubblewrapEngine:
    """Runs containers without a daemon. Several threads may use it at the same time."""

    def __init__(self, folder: Path | None = None, *, network: str | None = None) -> None:
        """Run containers.

        Args:
            folder: the store that their files are kept in; None means the default one.
            network: what they are to be connected to, which can be ``none`` alone.

        Raises:
            EngineUnavailable: bubblewrap is not installed, or may not run, or cannot do that; the message tells the
                way out.
        """
        if network not in {None, NO_NETWORK}:
            raise EngineUnavailable(
                f"bubblewrap has no network {network!r}, and no other: choose --alpine-engine docker or podman, or "
                f"--alpine-network {NO_NETWORK}"
            )
        program = find_bubblewrap()
        self._link = SpawnerLink()
        try:
            # The other process starts during this import, which takes as long.
            from pytest_alpine.engine.bubblewrap.start import BubblewrapStart

            self._store = folder or Store.default().root
            self.machines = Machines(native=Platform.native(), handlers=read_handlers())
            """The platforms that this machine runs."""
            self._link.handshake()
        except BaseException:
            self._link.close()
            raise
        self._running = RunningContainers()
        self._starter = BubblewrapStart(
            self._link, self._running, self._store / "containers", program, native=self.machines.native.machine
        )

    @property
    def name(self) -> str:
        """The name of the engine in ``--alpine-engine``."""
        return "bubblewrap"

    def describe(self) -> str:
        """Return one line about the engine: version, storage, and the platforms that it emulates."""
        storage = "overlay" if self._starter.overlays else "copies"
        who = "as an ordinary user" if self._link.rootless else "as root"
        emulated = describe_platforms(self.machines.emulates()) or "none"
        return f"{look_bubblewrap()}, {storage}, {who}; emulated: {emulated}"

    def emulated(self, platform: Platform) -> bool:
        """Whether programs of *platform* are emulated; see ``Engine.emulated``."""
        return self.machines.emulated(platform)

    def start(self, image: Image) -> BubblewrapContainer:
        """Start a container of *image*; see ``Engine.start``."""
        return self._starter.start(image, emulated=self.emulated(image.platform))

    def sweep(self) -> list[str]:
        """Remove the files of containers of dead runs on this machine, and return their names."""
        remove_partial(self._store)
        return remove_left(self._store / "containers")

    def close(self) -> None:
        """Stop all containers that this object started, except those that are kept.

        Raises:
            EngineError: one could not be stopped.
        """
        try:
            self._running.close()
        finally:
            self._link.close()


if TYPE_CHECKING:
    _: type[Engine] = BubblewrapEngine
