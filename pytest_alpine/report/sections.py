"""Sections about a container in the report of a failed test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.engine.exec.result import last_lines
from pytest_alpine.errors import AlpineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.engine.container import Container


def container_sections(container: Container) -> Iterator[tuple[str, str]]:
    """Yield headings and texts: the last commands in *container*, and the end of its logs, if there are any."""
    commands = "\n".join(map(str, container.last_commands))
    if commands:
        yield f"alpine: last commands in {container}", commands
    try:
        logs = last_lines(container.logs().encode("utf-8", "surrogateescape"))
    except AlpineError as error:  # the engine itself may have failed
        logs = str(error)
    if logs:
        yield f"alpine: end of the logs of {container}", logs
