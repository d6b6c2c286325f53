"""Sends all tests of a cell to one of xdist's workers, so that the cell's container starts once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from xdist.scheduler import LoadScopeScheduling

from pytest_alpine.plugin.xdist.durations import Durations, cell_group, kind_of

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

_PENDING: Final = 2
"""How many tests a worker needs: the one that it runs, and the one that follows."""
_LEAD: Final = 2.0
"""Seconds before its tests run in which a worker learns of its next cell, so that the container can start."""


def make_scheduler(config: pytest.Config, log: Producer) -> CellScheduling:
    """Return a scheduler that uses the durations of the last run."""
    return CellScheduling(config, log, Durations.read(getattr(config, "cache", None)))


class CellScheduling(LoadScopeScheduling):
    """Sends whole cells, and every other test by itself, to workers that run out of work; the longest first.

    A cell is native or emulated; other tests are neither. The next group to be sent is of the kind that the fewest
    workers have, so that no kind waits for another. xdist's own ``loadgroup`` makes the workers append ``@group`` to
    test ids, which pytest 9.2 and newer do not allow; a test id that has such a group is sent with that group.
    """

    def __init__(self, config: pytest.Config, log: Producer, durations: Durations) -> None:
        super().__init__(config, log)
        self._durations = durations
        # The waiting groups, by kind, the longest last.
        self._waiting: dict[str, list[str]] = {}

    def remove_node(self, node: WorkerController) -> str | None:
        """Take back the work of a worker that died; return the test that it ran, which does not run again."""
        left = {group: tests for group, tests in self.assigned_work.pop(node).items() if not all(tests.values())}
        if not left:
            return None
        first: dict[str, bool] = next(iter(left.values()))
        crashed: str = next(nodeid for nodeid, done in first.items() if not done)
        first[crashed] = True
        self.workqueue.update((group, tests) for group, tests in left.items() if not all(tests.values()))
        self._waiting = {}
        for other in self.nodes:
            self._reschedule(other)
        return crashed

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Record that a worker has run a test, and send it more."""
        group = cell_group(self.registered_collections[node][item_index])
        super().mark_test_complete(node, item_index, duration)
        if all(self.assigned_work[node][group].values()):
            del self.assigned_work[node][group]

    def _split_scope(self, nodeid: str) -> str:
        return cell_group(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        self.workqueue.move_to_end(self._next(), last=False)
        super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if node.shutting_down or (self.workqueue and self._is_busy(node)):
            return
        if self.workqueue:
            self._assign_work_unit(node)
        else:
            node.shutdown()

    def _is_busy(self, node: WorkerController) -> bool:
        """Whether *node* has work for longer than the next container takes to start, or another cell after this one."""
        pending = {group: left for group, tests in self.assigned_work[node].items() if (left := _left(tests))}
        if sum(pending.values()) <= _PENDING:
            return False
        return len(pending) > 1 or sum(self._durations.of(*group) for group in pending.items()) > _LEAD

    def _next(self) -> str:
        """Return the group to send next."""
        if not self._waiting:
            for group in sorted(self.workqueue, key=self._seconds):
                self._waiting.setdefault(kind_of(group), []).append(group)
        in_hand = Counter(kind_of(group) for groups in self.assigned_work.values() for group in groups)
        kind = min(self._waiting, key=lambda kind: (in_hand[kind], -self._seconds(self._waiting[kind][-1])))
        group = self._waiting[kind].pop()
        if not self._waiting[kind]:
            del self._waiting[kind]
        return group

    def _seconds(self, group: str) -> float:
        return self._durations.of(group, _left(self.workqueue[group]))


def _left(tests: dict[str, bool]) -> int:
    return len(tests) - sum(tests.values())
