"""The Docker engine: a running one, else one that the test bed starts."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.bed import apt, process
from tests.bed.state import BedError, State

NAME = "dockerd"
TIMEOUT = 20  # seconds
PACKAGES = ("docker.io",)
RUN = Path("/var/run/docker")
PID_FILE = Path("/var/run/docker.pid")
GROUP = "sudo usermod -aG docker $USER (then log in anew)"
START = "sudo systemctl start docker (or: sudo dockerd)"


def version() -> str | None:
    """Return the version of the engine of the user's settings; None if no engine answers."""
    return _ask()[0]


def up(state: State) -> None:
    """Start an engine if none answers.

    Raises:
        BedError: none answers and none can be started; the text holds the command to run.
    """
    _require_client()
    if version() is not None:
        return
    named = os.environ.get("DOCKER_HOST")
    if named:
        raise BedError(f"no Docker engine answers at DOCKER_HOST={named}; start it, or run: unset DOCKER_HOST")
    daemon = apt.require(NAME, *PACKAGES)
    if os.geteuid() != 0:
        raise BedError(problem(state) or "no Docker engine answers")
    forget_dead(RUN)
    state.processes[NAME] = process.start(NAME, [daemon], lambda: version() is not None)


def problem(_state: State) -> str | None:
    """Return why there is no engine; None if there is one."""
    if version() is not None:
        return None
    if apt.find("docker") is None and apt.find(NAME) is None:
        return f"Docker is not installed; run: {apt.way_out(apt.command(*PACKAGES))}"
    reason = _ask()[1]
    if "permission denied" in reason.lower():
        return f"the Docker engine may not be used by this user ({reason}); run: {GROUP}"
    return f"no Docker engine answers ({reason}); run: {apt.way_out(START)}"


def down(state: State) -> None:
    """Stop the engine if the test bed started it. Its containers end with it; its images stay."""
    process.stop(state.processes.pop(NAME, None))


def forget_dead(run: Path, pid_file: Path = PID_FILE) -> None:
    """Remove what an engine that was killed wrote into its folder *run* and its *pid_file*.

    An engine does not start if any process has that number, even a zombie, or another program after a restart of the
    machine.
    """
    for program, path in {NAME: pid_file, "containerd": run / "containerd" / "containerd.pid"}.items():
        with suppress(OSError, ValueError):
            if not process.is_running(int(path.read_text()), program):
                path.unlink()


def _ask() -> tuple[str | None, str]:
    """The engine's version, or None and why it does not answer."""
    docker = apt.find("docker")
    if docker is None:
        return None, "the docker command is not installed"
    command = [docker, "version", "--format", "{{.Server.Version}}"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return None, f"docker version took more than {TIMEOUT} s"
    if asked.returncode == 0 and asked.stdout.strip():
        return asked.stdout.strip(), ""
    return None, (asked.stderr.strip().splitlines() or ["docker version says nothing"])[-1]


def _require_client() -> None:
    """Have the ``docker`` command; newer Debian releases ship it apart from the daemon."""
    if apt.find("docker") is None:
        apt.require(NAME, *PACKAGES)
        apt.require("docker", "docker-cli")
