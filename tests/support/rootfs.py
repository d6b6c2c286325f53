"""Root filesystems of layers that are built in code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.rootfs.layers import LayeredRootFS, flatten, read_changeset
from tests.support.tars import layer_tar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.tars import Node


def rootfs_of(folder: Path, *layers: Mapping[str, Node] | bytes) -> LayeredRootFS:
    """Return the root filesystem of *layers*, base first: members, or tars; *folder* keeps the tars."""
    tars = []
    for number, layer in enumerate(layers):
        tar = folder / f"layer-{number}.tar"
        tar.write_bytes(layer if isinstance(layer, bytes) else layer_tar(layer))
        tars.append(tar)
    return LayeredRootFS(flatten([read_changeset(tar, f"layer {number}") for number, tar in enumerate(tars)]), tars)
