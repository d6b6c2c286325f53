"""Folders of the store: how they are made, so that the users of a group can share them, and how they are removed.

A store is shared where its folder has the set-group-ID bit and is writable by its group (``chmod g+ws``). What is made
in such a folder is readable and writable by the group too, whatever the user's umask is.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_SHARED: Final = stat.S_ISGID | stat.S_IWGRP


def make_folder(path: Path, *, mode: int = 0o777) -> None:
    """Make the folder *path*, and those above it; one that is there is fine.

    Args:
        path: the folder.
        mode: its permissions, less the umask, where its users do not share it.

    Raises:
        OSError: it cannot be made.
    """
    if path.is_dir():
        return
    make_folder(path.parent, mode=mode)
    with suppress(FileExistsError):
        path.mkdir(mode=mode)
        if is_shared(path.parent):
            path.chmod(0o2775)


def share_file(descriptor: int, folder: Path) -> None:
    """Let the group read and write a new file in *folder*, if its users share that.

    Raises:
        OSError: that is not possible.
    """
    if is_shared(folder):
        os.fchmod(descriptor, 0o664)


def is_shared(folder: Path) -> bool:
    """Whether the users of a group share *folder*."""
    return folder.stat().st_mode & _SHARED == _SHARED


def remove_tree(path: Path) -> None:
    """Remove the folder *path* with all that is in it, whatever its modes are; one that is gone is fine.

    Raises:
        OSError: it cannot be removed.
    """
    with suppress(FileNotFoundError):
        try:
            shutil.rmtree(path)
        except PermissionError:  # an ordinary user needs rights even in folders of his own
            for folder, names, _ in os.walk(path):
                for name in names:
                    place = Path(folder, name)
                    if not place.is_symlink():
                        place.chmod(0o700)
            shutil.rmtree(path)
