"""The state that the test bed keeps between calls: one folder, one lock, one JSON file."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


class BedError(Exception):
    """A part of the test bed is not available; the text says which, and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessRecord:
    """A process that the test bed started, distinguishable from a later one that reuses its number.

    ``started`` is the start time in clock ticks since boot; ``boot`` is the kernel's name for that boot.
    """

    pid: int
    started: int
    boot: str


@dataclass(kw_only=True, slots=True)
class State:
    """Everything that ``down`` must undo, and results that ``up`` would otherwise have to find again."""

    processes: dict[str, ProcessRecord] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    emulators: list[str] = field(default_factory=list)
    binfmt_mounted: bool = False
    wanted: str = ""  # the requested mirror, and the one that is used
    mirror: str = ""
    official: bool = False


def folder() -> Path:
    """The state folder: ``PYTEST_ALPINE_TESTBED``, or one in the user's cache."""
    named = os.environ.get("PYTEST_ALPINE_TESTBED")
    if named:
        return Path(named).expanduser().resolve()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "pytest-alpine-testbed"


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock called *name*; the lock file stays, since unlinking one would free a second holder."""
    from filelock import FileLock

    folder().mkdir(parents=True, exist_ok=True)
    with FileLock(folder() / f"{name}.lock"):
        yield


def load() -> State:
    """Return the saved state; an empty one if there is none, or if it cannot be read."""
    try:
        known = json.loads((folder() / "state.json").read_text())
        processes = {name: ProcessRecord(**record) for name, record in known.pop("processes", {}).items()}
        names = {item.name for item in fields(State)}
        return State(processes=processes, **{name: value for name, value in known.items() if name in names})
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return State()


def save(state: State) -> None:
    """Write *state* in one step, so that a reader never sees half a file."""
    path = folder() / "state.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".state-{os.getpid()}.json")
    scratch.write_text(json.dumps(asdict(state), indent=2) + "\n")
    scratch.replace(path)
