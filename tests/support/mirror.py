"""The official root filesystems that the tests know, read in place from the mirror beside the repository."""

from __future__ import annotations

import atexit
import functools
import gzip
import os
import tempfile
from pathlib import Path

from pytest_alpine.rootfs.layers import LayeredRootFS, flatten, read_changeset
from tests.bed.mirror import known_alone, known_tarballs

ROOT = Path(__file__).parents[2]
MIRROR = known_alone(Path(os.environ.get("PYTEST_ALPINE_MIRROR", ROOT.parent / "shared" / "alpine")))

_FOLDER = tempfile.TemporaryDirectory(prefix="pytest-alpine-")
atexit.register(_FOLDER.cleanup)

TARBALLS = known_tarballs(MIRROR)
"""Every root filesystem of the mirror that the tests know; empty where there is none."""


def tarball_id(path: Path) -> str:
    """Return ``v3.20-x86_64`` for a tarball of the mirror."""
    return f"{path.parts[-4]}-{path.parts[-2]}"


@functools.cache
def opened(path: Path) -> LayeredRootFS:
    """Return the root filesystem in the tarball at *path*."""
    tar = Path(_FOLDER.name, f"{tarball_id(path)}.tar")
    tar.write_bytes(gzip.decompress(path.read_bytes()))
    return LayeredRootFS(flatten([read_changeset(tar, path.name)]), [tar])
