"""How long one run waits for hosts that are silent.

Every host has one budget of seconds. A wait that ends with an answer costs nothing, however long it took. A wait that
ends without one costs its time. A host that has used up its budget is given up: the run asks it nothing more.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import Final, Protocol

from pytest_alpine.image.http.errors import Unreachable

PULL_TIMEOUT: Final = 60.0
"""Seconds of silence that one host gets in one run, unless an option says otherwise."""

# A dead connection must not use up the patience with a host that answers on the next one.
_SHARE: Final = 0.25
_LONGEST_CONNECT: Final = 10.0
_LONGEST: Final = 86_400.0  # a day; sockets cannot wait for ever
# A wait may end a little early. What is left then is too short to wait for anything.
_REST: Final = 0.05


def parse_pull_timeout(text: str) -> float:
    """Return the seconds that *text* names.

    >>> parse_pull_timeout("90")
    90.0

    Raises:
        ValueError: it names none; the message says what was expected.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST:
        raise ValueError(f"expected a number of seconds, more than 0 and at most {_LONGEST:.0f}, such as 60")
    return seconds


class Notes(Protocol):
    """What the processes of one run tell each other."""

    def read(self, key: str) -> str | None:
        """Return the text of *key*, or None."""
        ...

    def agree(self, key: str, text: str) -> str:
        """Tell the others the *text* of *key* unless one of them was first, and return what was told."""
        ...


class GivenUp(Unreachable):
    """The host was silent for too long in this run."""


class Patience:
    """The budgets of all hosts in one run; threads may share it."""

    def __init__(self, seconds: float = PULL_TIMEOUT, notes: Notes | None = None) -> None:
        """Give every host *seconds* of silence; *notes* tell other processes of the run who is given up."""
        self.seconds = seconds
        self._notes = notes
        self._spent: dict[str, float] = {}
        self._counted: dict[str, float] = {}  # until when, as threads may wait for one host at once
        self._lock = Lock()

    def timeouts(self, host: str) -> tuple[float, float]:
        """Return the seconds to wait for a connection to *host*, and for each piece of an answer.

        Raises:
            GivenUp: the budget of *host* is used up.
        """
        left = self._left(host)
        if left <= 0 or (self._notes is not None and self._notes.read(_key(host)) is not None):
            raise GivenUp(self._words(host))
        wait = min(left, self.seconds * _SHARE)
        return min(wait, _LONGEST_CONNECT), wait

    def spend(self, host: str, *, since: float) -> None:
        """Take the time *since*, as ``time.monotonic`` told it, from the budget of *host*: it was silent till now.

        Raises:
            GivenUp: the budget of *host* is used up.
        """
        with self._lock:
            now = time.monotonic()
            silent = now - max(since, self._counted.get(host, since))
            self._counted[host] = now
            self._spent[host] = self._spent.get(host, 0.0) + silent
        if self._left(host) > 0:
            return
        if self._notes is not None:
            self._notes.agree(_key(host), self._words(host))
        raise GivenUp(self._words(host))

    def _left(self, host: str) -> float:
        left = self.seconds - self._spent.get(host, 0.0)
        return left if left > self.seconds * _REST else 0.0

    def _words(self, host: str) -> str:
        return (
            f"{host} does not answer: it was silent for {self.seconds:g} s, the pull timeout, and is not asked again "
            "in this run; try later, or allow more with --alpine-pull-timeout (--pull-timeout of pytest-alpine)"
        )


def _key(host: str) -> str:
    return f"silent: {host}"
