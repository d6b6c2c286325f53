"""Why a container did not start, told as what it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.emulation import not_runnable
from pytest_alpine.errors import AlpineError, ContainerStartError, PlatformNotRunnable

if TYPE_CHECKING:
    from pytest_alpine.engine.running import RunningContainer

# What the kernel says of a program that is not for it, in runc's, the init process's and the shell's words.
_FORMAT_ERROR: Final = re.compile(r"exec format error", re.IGNORECASE)


def is_format_error(words: str) -> bool:
    """Whether *words*, all that is said about a start, mean that the kernel knows no such programs."""
    return _FORMAT_ERROR.search(words) is not None


def start_problem(container: RunningContainer, words: str) -> AlpineError:
    """Return the error for a *container* that did not start; *words* are all that is said about it."""
    if not is_format_error(words):
        return ContainerStartError(f"cannot start {container}: {words}")
    why = "the kernel refuses its programs (exec format error)"
    if container.emulated:
        return PlatformNotRunnable(f"{container}: {not_runnable(container.platform, why)}")
    return ContainerStartError(f"cannot start {container}: {why}: they are no programs for its platform")
