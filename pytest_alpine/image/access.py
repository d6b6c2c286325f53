"""How one command or session reaches images: the store, the network, and what tags led to so far.

A tag is looked up once for as long as an access lives: all platforms of an image are of one build then, even where the
tag moves meanwhile. The processes of one run agree on it. The store, in contrast, is a folder that outlives every
access.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args

from pytest_alpine.errors import ImageNotFound
from pytest_alpine.image.http.patience import PULL_TIMEOUT, Patience
from pytest_alpine.image.store.run_notes import RunNotes
from pytest_alpine.image.store.store import Progress, Store, silent
from pytest_alpine.image.store.uses import ImageName, Use, begin_use

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from contextlib import AbstractContextManager

    from docker import DockerClient

    from pytest_alpine.dockerapi.client import Connect

T = TypeVar("T")

Pull = Literal["missing", "always", "never"]
"""When sources use the network: for what the store lacks, to look every tag up anew, or not at all."""
PULLS: Final[tuple[Pull, ...]] = get_args(Pull)
"""Every pull policy, the default first."""


def _connect() -> DockerClient:
    """Connect to the engine that the docker command would use; its library is loaded only then."""
    from pytest_alpine.dockerapi.client import connect

    return connect()


class Access:
    """What the images of one command or session share; threads may share it too."""

    def __init__(  # noqa: PLR0913 - all have defaults
        self,
        store: Store | None = None,
        *,
        pull: Pull = "missing",
        progress: Progress = silent,
        connect: Connect = _connect,
        pull_timeout: float = PULL_TIMEOUT,
        run: str = "",
    ) -> None:
        """Open nothing yet.

        Args:
            store: keeps what was read; the one in the user's cache folder when None.
            pull: when sources use the network. ``missing``: tags are looked up, what the store lacks is fetched, and
                while a place cannot be reached a tag means what it meant last. ``always``: the same, but a tag that
                cannot be looked up is an error. ``never``: tags mean what they meant last, and what the store lacks
                is an error.
            progress: is told of long steps.
            connect: connects to the engine that plain names are looked up in.
            pull_timeout: seconds that each host may be silent, all its silences added up; then it is given up.
            run: what names the run among all runs, if several processes share it: they agree on what each tag leads
                to, and on who is given up. Empty if this process is alone.
        """
        self.store = store or Store.default()
        self.pull = pull
        self.progress = progress
        self.connect = connect
        self.notes = RunNotes(self.store.root, run)
        self.patience = Patience(pull_timeout, self.notes)
        self._answers: dict[Hashable, Any] = {}
        self._locks: dict[Hashable, Lock] = {}
        self._uses: list[Use] = []

    def once(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return what *ask* returned for *key* the first time; other threads that ask for it wait."""
        with self._locks.setdefault(key, Lock()):
            if key not in self._answers:
                self._answers[key] = ask()
            answer: T = self._answers[key]
            return answer

    def use(self, name: ImageName, digest: str | None, diff_ids: Sequence[str]) -> Use | None:
        """Note that this process uses an image; see ``begin_use``."""
        return self.once(name, lambda: self._begin_use(name, digest, diff_ids))

    def end_uses(self) -> None:
        """Let what was read so far be removed from the store; whoever reads more of it may find it gone."""
        while self._uses:
            self._uses.pop().end()

    def _begin_use(self, name: ImageName, digest: str | None, diff_ids: Sequence[str]) -> Use | None:
        use = begin_use(self.store, name, digest, diff_ids)
        if use is not None:
            self._uses.append(use)
        return use

    def lock(self, key: str, *, waiting: str) -> AbstractContextManager[None]:
        """Hold the lock for *key* among all processes that share the store; see ``Store.lock``."""
        return self.store.lock(key, waiting=waiting, progress=self.progress)


def not_pulled(what: str) -> ImageNotFound:
    """Return the error of a source that would need the network, which the pull policy ``never`` forbids."""
    return ImageNotFound(f"{what} is not in the local store, and pulling is switched off (pull policy 'never')")
