"""The memory that a container uses, as its control group counts it.

Specs: https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
It is the number that ``docker stats`` shows: all memory except the cache that the kernel would drop first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# In both versions, a container sees its own group at these paths.
READ_MEMORY: Final = """
PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /sys/fs/cgroup || exit
if [ -f memory.current ]; then exec cat memory.current memory.stat; fi
[ -f memory/memory.usage_in_bytes ] && exec cat memory/memory.usage_in_bytes memory/memory.stat
"""
"""A shell script that prints the number of bytes, and then the names and numbers of its parts."""

# Version 1 also counts the groups below.
_CACHE: Final = ("total_inactive_file", "inactive_file")


def parse_memory(text: str) -> int | None:
    """Return the bytes in use from the output of READ_MEMORY; None if it cannot be parsed."""
    first, _, rest = text.partition("\n")
    if not first.isdecimal():
        return None
    pairs = (line.split() for line in rest.splitlines())
    numbers = {pair[0]: int(pair[1]) for pair in pairs if len(pair) > 1 and pair[1].isdecimal()}
    return _in_use(int(first), numbers)


def memory_in_stats(stats: Mapping[str, Any]) -> int | None:
    """Return the bytes in use from an engine's ``memory_stats``; None if the engine did not measure them."""
    usage = stats.get("usage")
    return None if usage is None else _in_use(int(usage), stats.get("stats") or {})


def _in_use(usage: int, numbers: Mapping[str, int]) -> int:
    cache = next((numbers[name] for name in _CACHE if name in numbers), 0)
    return max(0, usage - cache)
