"""The official root filesystems beside the repository, read in place."""

from __future__ import annotations

import atexit
import functools
import gzip
import os
import tempfile
from pathlib import Path

from pytest_alpine.rootfs.layers import LayeredRootFS, flatten, read_changeset

ROOT = Path(__file__).parents[2]
MIRROR = Path(os.environ.get("PYTEST_ALPINE_MIRROR", ROOT.parent / "shared" / "alpine"))

_FOLDER = tempfile.TemporaryDirectory(prefix="pytest-alpine-")
atexit.register(_FOLDER.cleanup)

TARBALLS = sorted(MIRROR.glob("*/releases/*/alpine-minirootfs-*.tar.gz"))
"""Every root filesystem of the mirror; empty where there is none."""


def tarball_id(path: Path) -> str:
    """Return ``v3.20-x86_64`` for a tarball of the mirror."""
    return f"{path.parts[-4]}-{path.parts[-2]}"


@functools.cache
def opened(path: Path) -> LayeredRootFS:
    """Return the root filesystem in the tarball at *path*."""
    tar = Path(_FOLDER.name, f"{tarball_id(path)}.tar")
    tar.write_bytes(gzip.decompress(path.read_bytes()))
    return LayeredRootFS(flatten([read_changeset(tar, path.name)]), [tar])
