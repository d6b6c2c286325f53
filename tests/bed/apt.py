"""Debian's package manager. Missing packages are installed by root; other users get the command to type."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.bed.state import BedError

UP = "python tests/testbed.py up"


def may_install() -> bool:
    """Whether packages can be installed here: by root, with apt-get."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def way_out(typed: str) -> str:
    """Return the command to run: that of the test bed if it can do the work, else *typed*, to be typed by hand."""
    return UP if may_install() else typed


def command(*packages: str) -> str:
    """Return the command that installs *packages*, to be typed by hand."""
    return f"sudo apt-get update && sudo apt-get install -y {' '.join(packages)}"


def require(program: str, *packages: str) -> str:
    """The path of *program*, after installing *packages* if it is missing.

    Raises:
        BedError: it is missing and cannot be installed; the text holds the command to run.
    """
    path = find(program)
    if path is None:
        if not may_install():
            raise BedError(f"{program} is not installed; run: {command(*packages)}")
        install(*packages)
        path = find(program)
    if path is None:
        raise BedError(f"{program} is still missing after installing {' '.join(packages)}")
    return path


def find(program: str) -> str | None:
    """The path of *program*, also in the folders of system programs, which a user's PATH often lacks."""
    return shutil.which(program) or shutil.which(program, path="/usr/local/sbin:/usr/sbin:/sbin")


def install(*packages: str) -> None:
    """Install *packages* without questions, recommended extras or a terminal.

    Raises:
        BedError: apt-get failed; the end of its output is shown.
    """
    _apt_get("update", "-q")
    _apt_get("install", "-q", "-y", "--no-install-recommends", *packages)


def _apt_get(*arguments: str) -> None:
    # Another apt-get may run on a machine that has just started: wait for it.
    words = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise BedError(f"{' '.join(words)} failed with {done.returncode}:\n{tail}")
