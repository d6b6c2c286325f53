"""Labels that tell whose a container is, so that those of a dead run can be told from those of a live one.

A run is told by its machine, its process and the moment that process started: process numbers are used again.
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
"""How the names of all containers and loaded images begin."""

KEPT: Final = f"{PREFIX}-kept-"
"""How the names of containers begin that stay until their user removes them."""

RUN: Final = f"{PREFIX}.run"
HOST: Final = f"{PREFIX}.host"
BOOT: Final = f"{PREFIX}.boot"
PID: Final = f"{PREFIX}.pid"
STARTED: Final = f"{PREFIX}.started"

_NAME_PART: Final = re.compile(r"[^a-z0-9.-]+")
_HOST_DIGITS: Final = 16
_PROC: Final = Path("/proc")
# The fields of /proc/PID/stat behind the program's name, from the state on; proc_pid_stat(5) counts it as 22nd.
_START_TIME: Final = 22 - 3


def container_name(image: Image) -> str:
    """Return a new name that tells people what the container is for: ``pytest-alpine-3.22-arm-v7-1f2e3d4c``."""
    tag = _NAME_PART.sub("-", (image.reference.tag or "image").lower()).strip("-.")
    return f"{PREFIX}-{tag}-{image.platform.slug}-{secrets.token_hex(4)}"


@cache
def _run_id(_pid: int) -> str:
    # One per process: a worker that was forked off is a run of its own.
    return uuid.uuid4().hex


def run_labels() -> dict[str, str]:
    """Return the labels of containers that this process starts."""
    return dict(_own_labels(os.getpid()))


@cache
def _own_labels(pid: int) -> dict[str, str]:
    # One per process, as above; they stay the same, and containers start in milliseconds.
    return process_labels(pid)


def process_labels(pid: int) -> dict[str, str]:
    """Return the labels of what is to stay as long as the process *pid* lives."""
    return {
        RUN: _run_id(os.getpid()),
        HOST: _host(),
        BOOT: _boot(),
        PID: str(pid),
        STARTED: _started(pid) or "",
    }


def is_dead(labels: Mapping[str, str]) -> bool:
    """Whether the process that started a container with these *labels* is gone for sure.

    Nothing is sure of processes on another machine, or in another namespace of processes, such as a container's.
    """
    pid = labels.get(PID, "")
    if labels.get(HOST) != _host() or not pid.isdecimal():
        return False
    if labels.get(BOOT) != _boot():
        return True  # the machine was started anew since
    return _started(int(pid)) != (labels.get(STARTED) or None)


def _host() -> str:
    """Return what names this machine and, on it, the namespace that its process numbers are counted in."""
    try:
        namespace = str((_PROC / "self/ns/pid").readlink())
    except OSError:
        namespace = ""
    parts = (_line(Path("/etc/machine-id")), socket.gethostname(), namespace)
    # machine-id(5) asks that the number itself be kept from others.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_HOST_DIGITS]


def _boot() -> str:
    return _line(_PROC / "sys/kernel/random/boot_id")


def _started(pid: int) -> str | None:
    """Return when the process *pid* started, in the kernel's ticks; None if there is none."""
    line = _line(_PROC / str(pid) / "stat")
    # The name stands in brackets and may hold anything.
    fields = line.rpartition(")")[2].split()
    return fields[_START_TIME] if len(fields) > _START_TIME and fields[0] != "Z" else None


def _line(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
