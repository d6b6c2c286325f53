"""What a process has started, by what the kernel tells of all processes.

Spec: proc_pid_stat(5). Parents are told (4th field), and sessions (6th), which outlive them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessState:
    """What is known of one process."""

    pid: int
    state: str
    """``Z`` for one that has ended and that nobody has asked for."""
    parent: int
    session: int


def parse_state(line: str) -> ProcessState | None:
    """Return what *line*, the content of ``/proc/PID/stat``, tells; None where it is no such line."""
    # The name stands in brackets and may hold anything.
    head, _, rest = line.rpartition(")")
    fields = rest.split()
    pid = head.partition(" ")[0]
    if not pid.isdecimal() or len(fields) < 4:  # noqa: PLR2004 - state, parent, group, session
        return None
    return ProcessState(pid=int(pid), state=fields[0], parent=int(fields[1]), session=int(fields[3]))


def descendants(root: int, processes: Iterable[ProcessState]) -> set[int]:
    """Return the numbers of all living *processes* that *root* started, and those in their sessions; not its own."""
    living = [process for process in processes if process.state != "Z"]
    tree = {root}
    while True:
        more = {each.pid for each in living if each.parent in tree or each.session in tree} - tree
        if not more:
            return tree - {root}
        tree |= more
