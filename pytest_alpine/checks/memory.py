"""``assert_memory``: the processes of a running container use no more memory than a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.checks.findings import Finding, require_none
from pytest_alpine.sizes import format_size, parse_size

if TYPE_CHECKING:
    from pytest_alpine.engine.container import Container


def assert_memory(container: Container, limit: str | int) -> None:
    """Fail if the processes of *container* use more memory than *limit* now.

    Args:
        container: a running container.
        limit: bytes, or a text such as ``"100 MB"``.

    Raises:
        AssertionError: the container uses more.
        InvalidSize: *limit* cannot be read.
        EngineError: the engine cannot tell.
    """
    __tracebackhide__ = True
    require_none(find_memory(container, limit), container)


def find_memory(container: Container, limit: str | int) -> tuple[Finding, ...]:
    """Return a finding if *container* uses more memory than *limit*; see ``assert_memory``."""
    allowed, used = parse_size(limit), container.memory()
    if used <= allowed:
        return ()
    expected, actual = f"at most {format_size(allowed)}", f"{format_size(used)} ({used} bytes)"
    return (Finding(check="memory", subject="memory", expected=expected, actual=actual),)
