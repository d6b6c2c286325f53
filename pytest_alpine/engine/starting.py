"""The start of a container, and the reason if it fails."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.emulation import not_runnable
from pytest_alpine.engine.exec.result import last_lines
from pytest_alpine.engine.exec.shell_session import SessionEndedError
from pytest_alpine.errors import AlpineError, ContainerStartError, EngineError, PlatformNotRunnable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_alpine.engine.container import Container

# The kernel's error for a program of another machine, as runc, init processes and shells print it.
_FORMAT_ERROR: Final = re.compile(r"exec format error", re.IGNORECASE)


def start_or_explain(
    container: Container, boot: Callable[[], None], explain: Callable[[AlpineError], AlpineError]
) -> None:
    """Start *container*, which the engine has created; if that fails, stop it and raise the reason.

    Args:
        container: it is stopped, too, if anything else interrupts its start.
        boot: starts it, and returns when it can be used.
        explain: returns what the error that *boot* raised really was, while the container is still there to be asked.

    Raises:
        AlpineError: what *explain* returned.
    """
    try:
        boot()
    except AlpineError as error:
        problem = explain(error)
        with suppress(EngineError):
            container.stop()
        raise problem from error
    except BaseException:
        container.stop()
        raise


def is_format_error(words: str) -> bool:
    """Whether the messages *words* about a start say that the kernel cannot run the program."""
    return _FORMAT_ERROR.search(words) is not None


def all_said(container: Container, error: AlpineError, why_stopped: str = "") -> str:
    """Return in one line all messages about a *container* whose start failed.

    Args:
        container: it was made, but may not run.
        error: what its start raised.
        why_stopped: what the engine says about its end, if anything.
    """
    outputs = (error.stdout, error.stderr) if isinstance(error, SessionEndedError) else ()
    logs = container.logs().encode("utf-8", "surrogateescape")
    words = [str(error), *map(last_lines, outputs), why_stopped, last_lines(logs)]
    return "; ".join(line for word in words for line in word.splitlines() if line)


def start_problem(container: Container, words: str) -> AlpineError:
    """Return the error for a *container* that did not start; *words* are the messages about it."""
    if not is_format_error(words):
        return ContainerStartError(f"cannot start {container}: {words}")
    why = "the kernel refuses its programs (exec format error)"
    if container.emulated:
        return PlatformNotRunnable(f"{container}: {not_runnable(container.platform, why)}")
    return ContainerStartError(f"cannot start {container}: {why}: they are not programs for its platform")
