"""Programs for sandboxes without a daemon, and for broken binaries: bubblewrap and patchelf."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

from tests.bed import apt
from tests.bed.state import BedError

if TYPE_CHECKING:
    from tests.bed.state import State

# Programs and their packages.
PROGRAMS: Final = {"bwrap": "bubblewrap", "patchelf": "patchelf"}
TRIAL: Final = ("--bind", "/", "/", "--unshare-pid", "--unshare-net", "--proc", "/proc", "--dev", "/dev", "true")
ALLOW: Final = "sudo sysctl -w user.max_user_namespaces=10000 kernel.apparmor_restrict_unprivileged_userns=0"


def versions() -> str | None:
    """Return the programs, such as ``bubblewrap 0.8.0, patchelf 0.14.3``; None if one is missing or cannot run."""
    paths = [apt.find(program) for program in PROGRAMS]
    if None in paths or _trial() is not None:
        return None
    return ", ".join(_output(str(path), "--version").strip() for path in paths)


def up(_state: State) -> None:
    """Install what is missing.

    Raises:
        BedError: it cannot be installed, or may not run; the text holds the command to run.
    """
    for program, package in PROGRAMS.items():
        apt.require(program, package)
    refused = _trial()
    if refused is not None:
        raise BedError(refused)


def problem(_state: State) -> str | None:
    """Return which programs are missing or cannot run; None if there are none."""
    lacking = [package for program, package in PROGRAMS.items() if apt.find(program) is None]
    if lacking:
        return f"{' and '.join(lacking)} not installed; run: {apt.way_out(apt.command(*lacking))}"
    return _trial()


def _trial() -> str | None:
    """Run bubblewrap, and return why that fails."""
    done = subprocess.run(
        [apt.find("bwrap") or "bwrap", *TRIAL], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else f"bubblewrap cannot run ({done.stderr.strip()}); run: {ALLOW}"


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
