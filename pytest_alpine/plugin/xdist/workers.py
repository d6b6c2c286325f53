"""The role of a process in the run: the only one, or a worker of xdist, which may be on another machine.

Spec: https://execnet.readthedocs.io/en/latest/basics.html#xspec
"""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import InvalidPlatform
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    import pytest

_NATIVE: Final = "alpine_native"
_SSH: Final = "alpine_ssh"


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """The facts about the run that depend on its other processes."""

    processes: int = 1
    """The number of processes that run tests on this machine, including this one."""
    whole_cells: bool = True
    """Whether this process gets all tests of a cell at once; else more of them may come later."""
    native: Platform | None = None
    """The platform that ``native`` means in this run, because all workers must collect the same tests; None: this
    machine's."""
    ssh: str = ""
    """The ssh destination of this machine, as seen from where the run was started; empty if that is this machine."""
    run: str = ""
    """The identifier of this run in all its processes; empty if there is only this one."""

    @classmethod
    def of(cls, config: pytest.Config) -> Worker:
        """Return the facts for this process."""
        told: dict[str, Any] | None = getattr(config, "workerinput", None)
        if told is None:
            return cls()
        native: str = told.get(_NATIVE, "")
        return cls(
            processes=told["workercount"],
            whole_cells=getattr(config.option, "loadgroup", False),
            native=Platform.parse(native) if native else None,
            ssh=told.get(_SSH, ""),
            run=told.get("testrunuid", ""),
        )

    def typed(self, command: str) -> str:
        """Return *command*, which is for this process's machine, as people type it on the machine of the controller."""
        return f"ssh -t {self.ssh} {shlex.quote(command)}" if self.ssh else command


def tell_worker(node: Any) -> None:  # noqa: ANN401 - xdist has no types
    """Send the worker *node*, which is about to start, the fields of its ``Worker``."""
    with suppress(InvalidPlatform):  # Alpine has no architecture for this machine
        node.workerinput[_NATIVE] = str(Platform.native())
    if node.gateway.spec.ssh:
        node.workerinput[_SSH] = str(node.gateway.spec.ssh)
