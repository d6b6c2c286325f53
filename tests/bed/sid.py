"""Debian's unstable release in a folder, for programs that are newer than on this machine.

It stays in the state folder between runs, and gets the packages that are requested. Programs run in it by ``chroot``.
A program that runs outside needs the C library from it: see :mod:`tests.bed.pythons`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.bed import apt, debian
from tests.bed.state import BedError, folder, locked

SUITE = "sid"
# If a mirror is frozen or the clock is fast, its Release file soon expires.
OPTIONS = ("-o", "Acquire::Check-Valid-Until=false", "-o", "APT::Sandbox::User=root")
NO_SERVICES = "#!/bin/sh\nexit 101\n"  # policy-rc.d's exit code for "do not start"
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


def place() -> Path:
    """Return the path of its folder, which may not exist yet."""
    return folder() / SUITE


def root(*packages: str) -> Path:
    """Return the root filesystem, with *packages* installed; creates it if it is missing.

    Raises:
        BedError: only root may make it, or Debian's packages cannot be fetched.
    """
    with locked(SUITE):
        if not place().is_dir():
            _make(place())
        lacking = [name for name in packages if not (place() / f"var/lib/dpkg/info/{name}.list").exists()]
        if lacking:
            _install(place(), lacking)
    return place()


def _make(target: Path) -> None:
    if os.geteuid() != 0:
        raise BedError(f"Debian {SUITE} is made by debootstrap, which only root may run; run the test bed as root")
    program = apt.require("debootstrap", "debootstrap")
    scratch = Path(tempfile.mkdtemp(prefix=f".{SUITE}-", dir=folder()))
    try:
        mirror = filter(None, [debian.site()])  # else debootstrap's own
        _run([program, "--variant=minbase", "--merged-usr", SUITE, str(scratch), *mirror])
        (scratch / "usr/sbin/policy-rc.d").write_text(NO_SERVICES)
        (scratch / "usr/sbin/policy-rc.d").chmod(0o755)
        scratch.chmod(0o755)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _install(tree: Path, packages: list[str]) -> None:
    shutil.copy("/etc/resolv.conf", tree / "etc/resolv.conf")
    apt_get = ["chroot", str(tree), "apt-get", *OPTIONS]
    _run([*apt_get, "update", "-q"])
    _run([*apt_get, "install", "-q", "-y", "--no-install-recommends", *packages])
    _run([*apt_get, "clean"])


def _run(command: list[str]) -> None:
    environment = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise BedError(f"Debian {SUITE}: {' '.join(command)} failed with {done.returncode}:\n{tail}")
