"""The official root filesystems beside the repository, read in place."""

from __future__ import annotations

import functools
import gzip
import os
import tempfile
from pathlib import Path

from pytest_alpine.layers import LayeredRootFS, flatten, read_changeset

ROOT = Path(__file__).parents[2]
MIRROR = Path(os.environ.get("PYTEST_ALPINE_MIRROR", ROOT.parent / "shared" / "alpine"))

TARBALLS = sorted(MIRROR.glob("*/releases/*/alpine-minirootfs-*.tar.gz"))
"""Every root filesystem of the mirror; empty where there is none."""


def tarball_id(path: Path) -> str:
    """Return ``v3.20-x86_64`` for a tarball of the mirror."""
    return f"{path.parts[-4]}-{path.parts[-2]}"


@functools.cache
def opened(path: Path) -> LayeredRootFS:
    """Return the root filesystem in the tarball at *path*."""
    with tempfile.NamedTemporaryFile(suffix=".tar", delete=False) as plain:
        plain.write(gzip.decompress(path.read_bytes()))
    tar = Path(plain.name)
    return LayeredRootFS(flatten([read_changeset(tar, path.name)]), [tar])
