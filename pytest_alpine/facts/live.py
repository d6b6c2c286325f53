"""The facts of a root filesystem that may change: read again at every access, by the same readers as an image's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_alpine.facts.base import Fact, Facts

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pytest_alpine.rootfs.base import RootFS


class LiveFacts(Facts, Protocol):
    """Facts of a root filesystem as it is now."""

    def at_once(self) -> AbstractContextManager[RootFS]:
        """Open the root filesystem for many reads: itself, or a copy of its present state, whichever is faster."""
        ...

    def read_fact(self, read: Callable[[RootFS], Fact], *, many_files: bool = False) -> Fact:
        """Return what *read* finds in the root filesystem now."""
        if not many_files:
            return read(self.rootfs)
        with self.at_once() as rootfs:
            return read(rootfs)
