"""The part that a process plays in the run: alone, or as one of xdist's workers, which may be on another machine.

Spec: https://execnet.readthedocs.io/en/latest/basics.html#xspec
"""

from __future__ import annotations

import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_alpine.errors import InvalidPlatform

if TYPE_CHECKING:
    import pytest

    from pytest_alpine.platforms import Platform

_NATIVE: Final = "alpine_native"
_SSH: Final = "alpine_ssh"


class Role(NamedTuple):  # made faster than a dataclass: every pytest session on the machine makes it
    """What a process has to know of the others."""

    processes: int = 1
    """How many run tests on this machine, this one among them."""
    whole_cells: bool = True
    """Whether this one gets all tests of a cell at once."""
    native: Platform | None = None
    """What is native to the run: every worker must come to the same tests. This machine's platform when None."""
    ssh: str = ""
    """How the machine that the run was started on reaches this one by ssh; empty where they are one."""

    @classmethod
    def of(cls, config: pytest.Config) -> Role:
        """Return the role of this process."""
        told: dict[str, Any] | None = getattr(config, "workerinput", None)
        if told is None:
            return cls()
        from pytest_alpine.platforms import Platform

        native: str = told.get(_NATIVE, "")
        return cls(
            processes=told["workercount"],
            whole_cells=getattr(config.option, "loadgroup", False),
            native=Platform.parse(native) if native else None,
            ssh=told.get(_SSH, ""),
        )

    def typed(self, command: str) -> str:
        """Return *command*, to be typed on this process's machine, as people type it where the run was started."""
        return f"ssh -t {self.ssh} {shlex.quote(command)}" if self.ssh else command


def brief(node: Any) -> None:  # noqa: ANN401 - xdist has no types
    """Tell the worker *node*, which is about to start, what its ``Role`` is."""
    from pytest_alpine.platforms import Platform

    with suppress(InvalidPlatform):  # of a machine that nothing of Alpine is native to
        node.workerinput[_NATIVE] = str(Platform.native())
    if node.gateway.spec.ssh:
        node.workerinput[_SSH] = str(node.gateway.spec.ssh)
