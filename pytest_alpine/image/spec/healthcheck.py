"""How an image says that its service is healthy: HEALTHCHECK.

Specs: ``Healthcheck`` of https://github.com/moby/docker-image-spec (``specs-go/v1``), and HEALTHCHECK of
https://docs.docker.com/reference/dockerfile/. Durations are nanoseconds there, and seconds here.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import MalformedImage
from pytest_alpine.image.spec.documents import field

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_SHELL: Final = ("/bin/sh", "-c")
"""What engines give a line of shell to, where the image names no SHELL."""

_NONE: Final = "NONE"
_CMD: Final = "CMD"
_CMD_SHELL: Final = "CMD-SHELL"
_SECOND: Final = 10**9
# Go's int64, which engines read these numbers into.
_LARGEST: Final = (1 << 63) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Healthcheck:
    """How an engine finds out whether a container is healthy. What the image does not say is None.

    >>> str(Healthcheck(test=("CMD", "curl", "-f", "http://localhost/"), interval=5, retries=2))
    '--interval=5s --retries=2 CMD curl -f http://localhost/'
    """

    test: tuple[str, ...]
    """As written: ``("CMD", "curl", "-f", "http://localhost/")``, ``("CMD-SHELL", "curl -f ... || exit 1")``, or
    ``("NONE",)``, which switches off the health check of a base image."""
    interval: float | None = None
    """Seconds between two checks; engines take 30 where it is None."""
    timeout: float | None = None
    """Seconds that one check may take; engines take 30 where it is None."""
    start_period: float | None = None
    """Seconds from the start in which failures do not count; engines take 0 where it is None."""
    start_interval: float | None = None
    """Seconds between two checks within the start period; engines take 5 where it is None."""
    retries: int | None = None
    """How many failures in a row make the container unhealthy; engines take 3 where it is None."""

    @property
    def disabled(self) -> bool:
        """Whether this says that there is no health check."""
        return self.test[0] == _NONE

    def command(self, shell: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the command that engines run; empty where they run none.

        Args:
            shell: what the image names as its SHELL.
        """
        if self.test[0] == _CMD_SHELL:
            return (*(shell or DEFAULT_SHELL), *self.test[1:])
        return self.test[1:] if self.test[0] == _CMD else ()

    def __str__(self) -> str:
        durations = {
            "interval": self.interval,
            "timeout": self.timeout,
            "start-period": self.start_period,
            "start-interval": self.start_interval,
        }
        options = [f"--{name}={seconds:g}s" for name, seconds in durations.items() if seconds is not None]
        options += [f"--retries={self.retries}"] if self.retries is not None else []
        words = [shlex.join(self.test)] if self.test[0] == _CMD else self.test
        return " ".join((*options, *words))


def parse_healthcheck(config: dict[str, Any], where: str) -> Healthcheck | None:
    """Return the health check in the ``config`` object of an image's configuration; None where there is none.

    Raises:
        MalformedImage: a field is of another type than engines read, or a negative number; the message begins with
            *where*.
    """
    found = field(config, "Healthcheck", dict, where, {})
    test = field(found, "Test", list, where, [])
    if not all(isinstance(word, str) for word in test):
        raise MalformedImage(f"{where}: field 'Test' is {test!r:.80} (expected an array of strings)")
    numbers = {name: _number(found, name, where) for name in ("Interval", "Timeout", "StartPeriod", "StartInterval")}
    retries = _number(found, "Retries", where)
    if not test:  # inherited from a base image, which a finished image has none of
        return None
    interval, timeout, start_period, start_interval = (
        number / _SECOND if number is not None else None for number in numbers.values()
    )
    return Healthcheck(
        test=tuple(test),
        interval=interval,
        timeout=timeout,
        start_period=start_period,
        start_interval=start_interval,
        retries=retries,
    )


def _number(document: dict[str, Any], name: str, where: str) -> int | None:
    """Return a number of *document*; None if it is missing or 0, which mean the same."""
    value = field(document, name, int, where, 0)
    if not 0 <= value <= _LARGEST:
        raise MalformedImage(f"{where}: field {name!r} is {value!r:.80} (expected 0 to {_LARGEST})")
    return value or None
