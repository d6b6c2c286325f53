"""How much memory a container uses, as its control group counts it.

Specs: https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
What is counted is what ``docker stats`` shows: all but the cache that the kernel would drop first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# The group of the container itself is what it sees there, in both versions.
READ_MEMORY: Final = """
PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /sys/fs/cgroup || exit
if [ -f memory.current ]; then exec cat memory.current memory.stat; fi
[ -f memory/memory.usage_in_bytes ] && exec cat memory/memory.usage_in_bytes memory/memory.stat
"""
"""A shell script that prints the number of bytes, and then the names and numbers of what it is made of."""

# Version 1 counts the groups below, too.
_CACHE: Final = ("total_inactive_file", "inactive_file")


def parse_memory(text: str) -> int | None:
    """Return the bytes in use that READ_MEMORY told of; None where it told something else."""
    first, _, rest = text.partition("\n")
    if not first.isdecimal():
        return None
    pairs = (line.split() for line in rest.splitlines())
    numbers = {pair[0]: int(pair[1]) for pair in pairs if len(pair) > 1 and pair[1].isdecimal()}
    return _in_use(int(first), numbers)


def memory_in_stats(stats: Mapping[str, Any]) -> int | None:
    """Return the bytes in use by the ``memory_stats`` of an engine; None where it did not measure."""
    usage = stats.get("usage")
    return None if usage is None else _in_use(int(usage), stats.get("stats") or {})


def _in_use(usage: int, numbers: Mapping[str, int]) -> int:
    cache = next((numbers[name] for name in _CACHE if name in numbers), 0)
    return max(0, usage - cache)
