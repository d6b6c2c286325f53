"""Pythons that this machine lacks, out of Debian's unstable release, for tox to find: python3.14 and python3.15.

They are copies of Debian's programs that name the C library they are made for, so that they run outside of their root
filesystem, and programs that they start keep this machine's own.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.bed import apt, sid
from tests.bed.state import BedError, folder

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = ("3.14", "3.15")
# Debian builds what has no wheel for the newest Python yet.
LIBRARIES = ("python3-zstandard",)
LOADERS = "usr/lib64/ld-linux-*.so.*"
HERE = "-here"  # behind the names of copies that run outside


def places() -> dict[str, Path]:
    """The Pythons that are there, by version: programs called ``python3.14`` in a folder of their own."""
    links = {version: folder() / "pythons" / f"python{version}" for version in VERSIONS}
    return {version: link for version, link in links.items() if link.exists()}


def up() -> dict[str, Path]:
    """Make those that are missing, and return all as :func:`places` does.

    Raises:
        BedError: they cannot be had here; the text says why.
    """
    if len(places()) < len(VERSIONS):
        patchelf = apt.require("patchelf", "patchelf")
        tree = sid.root(*(f"python{version}" for version in VERSIONS), *LIBRARIES)
        for version in VERSIONS:
            _link(_loosened(patchelf, tree, f"python{version}"), folder() / "pythons" / f"python{version}")
    return places()


def _loosened(patchelf: str, tree: Path, name: str) -> Path:
    """A copy of the program *name* that finds its loader and libraries in *tree*. It stands beside it, as its home."""
    loader = next(tree.glob(LOADERS), None)
    if loader is None:
        raise BedError(f"{name}: {tree} has no loader {LOADERS}")
    copy = tree / "usr/bin" / f"{name}{HERE}"
    scratch = copy.with_name(f".{copy.name}")
    shutil.copy(copy.with_name(name), scratch)
    # Not a RUNPATH: that does not hold for the libraries of extension modules.
    options = ["--set-interpreter", str(loader), "--force-rpath", "--set-rpath", str(loader.resolve().parent)]
    for command in ([patchelf, *options, str(scratch)], [str(scratch), "-c", "import ssl, sqlite3, ctypes"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BedError(f"{name} of Debian sid does not run here: {done.stderr.strip()}")
    return scratch.rename(copy)


def _link(target: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
