"""Root filesystems that are not Alpine: Debian with glibc, and BusyBox alone; made on demand, kept as tar files."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bed import apt, debian, standin
from tests.bed.state import BedError, folder, locked

if TYPE_CHECKING:
    from collections.abc import Callable

# Caches and devices are of no use in an image, and a device node cannot be unpacked by everyone.
LEAVE_OUT = ("./dev/*", "./proc/*", "./sys/*", "./var/cache/apt/*", "./var/lib/apt/lists/*")


def debian_rootfs() -> Path:
    """A tar of Debian's minimal system for this machine: glibc, dash as ``/bin/sh``, bash.

    Raises:
        BedError: debootstrap is missing and may not be installed, or fails.
    """
    return _once("debian.tar", _debootstrap)


def busybox_rootfs() -> Path:
    """A tar that holds Debian's static BusyBox for this machine, with its applets, and no C library.

    Raises:
        BedError: the package cannot be fetched.
    """
    return _once("busybox.tar", _busybox)


def _once(name: str, make: Callable[[Path, Path], None]) -> Path:
    """The file called *name*, made under a lock by the first who asks; *make* gets a scratch folder and the file."""
    target = folder() / "rootfs" / name
    with locked(f"rootfs-{name}"):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".rootfs-", dir=folder()))
            try:
                make(scratch, scratch / name)
                (scratch / name).rename(target)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    return target


def _debootstrap(scratch: Path, target: Path) -> None:
    program = apt.require("debootstrap", "debootstrap")
    if os.geteuid() != 0:
        raise BedError("debootstrap makes device nodes, which only root may do; run the tests as root")
    tree = scratch / "tree"
    mirror = filter(None, [debian.site()])  # else debootstrap's own
    _run([program, "--variant=minbase", debian.codename(), str(tree), *mirror])
    left_out = [f"--exclude={pattern}" for pattern in LEAVE_OUT]
    _run(["tar", "--numeric-owner", "--sort=name", *left_out, "-C", str(tree), "-cf", str(target), "."])


def _busybox(scratch: Path, target: Path) -> None:
    native = debian.native()
    packages = debian.download(["busybox-static"], [native], scratch / "apt")
    target.write_bytes(standin.busybox_tree(packages[native]).tar())


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise BedError(f"{' '.join(command)} failed with {done.returncode}:\n{tail}")
