"""The folders of containers: their writable files, and the runs that they belong to.

A container has the files of its image, and its own changes: in an overlayfs if the kernel mounts one, else in a copy,
which is fast on filesystems that share blocks (reflinks). A file beside each folder has the labels of its run, so that
the folders of dead runs can be removed.
Spec: https://docs.kernel.org/filesystems/overlayfs.html
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.labels import is_dead, process_labels, run_labels
from pytest_alpine.errors import EngineError
from pytest_alpine.image.store.folders import make_folder, remove_tree
from pytest_alpine.image.store.incoming import store_errors

if TYPE_CHECKING:
    from pathlib import Path

# A sandbox is never restarted, so that its files need not survive a power failure.
OVERLAY: Final = "lowerdir=lower,upperdir=upper,workdir=work,volatile"
"""The options to mount the filesystem ``merged`` in a folder, relative to the folder."""

_LABELS: Final = ".json"


class ContainerFolder:
    """The folder of one container: ``merged`` is its root filesystem."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, lower: Path) -> ContainerFolder:
        """Create the folder *path* for a container that starts with the files in *lower*.

        Raises:
            StoreError: it cannot be made.
        """
        with store_errors(path):
            make_folder(path.parent, mode=0o700)
            folder = cls(path)
            # The labels are written first, so that no folder without labels remains if this process is killed.
            folder._label(run_labels())
            path.mkdir(mode=0o700)
            for name in ("upper", "work", "merged"):
                (path / name).mkdir(mode=0o700)
            (path / "lower").symlink_to(lower)
            state = lower.stat()
            os.chown(path / "upper", state.st_uid, state.st_gid)
            (path / "upper").chmod(state.st_mode & 0o7777)
        return folder

    @property
    def merged(self) -> Path:
        """The root filesystem, in the mount namespace of the process that mounts it."""
        return self.path / "merged"

    def copy(self) -> None:
        """Fill ``merged`` with a copy, in place of an overlay.

        Raises:
            EngineError: that is not possible.
        """
        self.merged.rmdir()
        command = ["cp", "-a", "--reflink=auto", f"{self.path / 'lower'}/", str(self.merged)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EngineError(f"cannot copy a root filesystem: {done.stderr.strip()}")

    def keep(self, pid: int) -> None:
        """Record that the folder stays as long as the process *pid* lives.

        Raises:
            StoreError: the file cannot be written.
        """
        with store_errors(self.path):
            self._label(process_labels(pid))

    def remove(self) -> None:
        """Remove the folder.

        Raises:
            StoreError: it cannot be removed.
        """
        with store_errors(self.path):
            remove_tree(self.path)
            self._labels.unlink(missing_ok=True)

    @property
    def _labels(self) -> Path:
        return self.path.with_name(self.path.name + _LABELS)

    def _label(self, labels: dict[str, str]) -> None:
        new = self.path.with_name(f"{self.path.name}.new")
        new.write_text(json.dumps(labels))
        new.replace(self._labels)


def remove_left(parent: Path) -> list[str]:
    """Remove the folders below *parent* whose process has ended, and return their names.

    Raises:
        StoreError: one cannot be removed.
    """
    removed = []
    for path in sorted(parent.glob(f"*{_LABELS}")):
        folder = ContainerFolder(path.with_suffix(""))
        with suppress(OSError, ValueError):
            if _is_ours(path) and is_dead(json.loads(path.read_text())):
                folder.remove()
                removed.append(folder.path.name)
    return removed


def _is_ours(path: Path) -> bool:
    """Whether this user may remove what *path* belongs to: users who share a store have folders of their own."""
    return os.geteuid() in {0, path.stat().st_uid}
