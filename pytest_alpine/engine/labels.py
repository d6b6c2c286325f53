"""Labels that identify the run of a container, to distinguish containers of dead runs from those of live runs.

Machine, process number and start time of the process identify a run, because process numbers are reused.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import uuid
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_alpine.image.image import Image

PREFIX: Final = "pytest-alpine"
"""The prefix of the names of all containers and loaded images."""

KEPT: Final = f"{PREFIX}-kept-"
"""The prefix of the names of containers that stay until their user removes them."""

RUN: Final = f"{PREFIX}.run"
HOST: Final = f"{PREFIX}.host"
BOOT: Final = f"{PREFIX}.boot"
PID: Final = f"{PREFIX}.pid"
STARTED: Final = f"{PREFIX}.started"

_NAME_PART: Final = re.compile(r"[^a-z0-9.-]+")
_HOST_DIGITS: Final = 16
_PROC: Final = Path("/proc")
# Index among the fields of /proc/PID/stat after the program's name; proc_pid_stat(5) counts it as 22nd.
_START_TIME: Final = 22 - 3


def container_name(image: Image) -> str:
    """Return a new name for a container of *image*: ``pytest-alpine-3.22-arm-v7-1f2e3d4c``."""
    tag = _NAME_PART.sub("-", (image.reference.tag or "image").lower()).strip("-.")
    return f"{PREFIX}-{tag}-{image.platform.slug}-{secrets.token_hex(4)}"


@cache
def _run_id(_pid: int) -> str:
    # One per process: a forked worker is a run of its own.
    return uuid.uuid4().hex


def run_labels() -> dict[str, str]:
    """Return the labels of containers that this process starts."""
    return dict(_own_labels(os.getpid()))


@cache
def _own_labels(pid: int) -> dict[str, str]:
    # Cached for each process, because containers start in milliseconds.
    return process_labels(pid)


def process_labels(pid: int) -> dict[str, str]:
    """Return the labels of things that stay as long as the process *pid* lives."""
    return {
        RUN: _run_id(os.getpid()),
        HOST: _host(),
        BOOT: _boot(),
        PID: str(pid),
        STARTED: _started(pid) or "",
    }


def is_dead(labels: Mapping[str, str]) -> bool:
    """Whether the process that started a container with these *labels* has certainly ended.

    It is False for processes on another machine, and in another namespace of processes, such as a container's.
    """
    pid = labels.get(PID, "")
    if labels.get(HOST) != _host() or not pid.isdecimal():
        return False
    if labels.get(BOOT) != _boot():
        return True  # the machine was restarted since
    return _started(int(pid)) != (labels.get(STARTED) or None)


def _host() -> str:
    """Return an identifier of this machine and of the namespace of its process numbers."""
    try:
        namespace = str((_PROC / "self/ns/pid").readlink())
    except OSError:
        namespace = ""
    parts = (_line(Path("/etc/machine-id")), socket.gethostname(), namespace)
    # machine-id(5) demands that the id itself is not published.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_HOST_DIGITS]


def _boot() -> str:
    return _line(_PROC / "sys/kernel/random/boot_id")


def _started(pid: int) -> str | None:
    """Return the start time of the process *pid*, in the kernel's clock ticks; None if there is no such process."""
    line = _line(_PROC / str(pid) / "stat")
    # The name is in brackets and may contain any character.
    fields = line.rpartition(")")[2].split()
    return fields[_START_TIME] if len(fields) > _START_TIME and fields[0] != "Z" else None


def _line(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
