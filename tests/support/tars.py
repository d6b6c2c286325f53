"""Layer tars built in code, well-formed or broken on purpose.

Names are written exactly as given, so that ``../x``, ``/x`` and ``./x`` reach the reader.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, overload

from pytest_alpine.rootfs.capabilities import PAX_RECORD


@dataclass(frozen=True, slots=True)
class File:
    """A regular file."""

    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    capabilities: bytes = b""
    """The extended attribute ``security.capability``."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link."""

    target: str


@dataclass(frozen=True, slots=True)
class HardLink:
    """A second name for the member *target* of this or a lower layer."""

    target: str


@dataclass(frozen=True, slots=True)
class Device:
    """A device node."""

    kind: Literal["character", "block"] = "character"
    major: int = 1
    minor: int = 3
    mode: int = 0o666


@dataclass(frozen=True, slots=True)
class Fifo:
    """A named pipe."""

    mode: int = 0o644


Node = bytes | str | File | Directory | Symlink | HardLink | Device | Fifo
"""A member; bytes and text stand for a regular file of mode 0644."""

Members = Mapping[str, Node] | Iterable[tuple[str, Node]]
"""Names and members in the order of the tar; pairs allow one name twice."""

OPAQUE = ".wh..wh..opq"


@overload
def layer_tar(members: Mapping[str, Node], *, tar_format: int = ...) -> bytes: ...
@overload
def layer_tar(members: Iterable[tuple[str, Node]], *, tar_format: int = ...) -> bytes: ...
def layer_tar(members: Members, *, tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    """Return an uncompressed layer tar of *members*; equal members give equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as tar:
        for name, node in members.items() if isinstance(members, Mapping) else members:
            info, content = tar_member(name, node)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def whiteout(path: str) -> str:
    """Return the name of the member that removes *path* from the lower layers."""
    directory, slash, base = path.rpartition("/")
    return f"{directory}{slash}.wh.{base}"


def tar_member(name: str, node: Node) -> tuple[tarfile.TarInfo, bytes]:
    """Return the header and the content of *node* under *name*."""
    info = tarfile.TarInfo(name)
    if isinstance(node, (bytes, str)):
        node = File(node.encode() if isinstance(node, str) else node)
    if isinstance(node, (File, Directory)):
        info.mode, info.uid, info.gid = node.mode, node.uid, node.gid
    if isinstance(node, File):
        info.size = len(node.content)
        if node.capabilities:
            info.pax_headers = {PAX_RECORD: node.capabilities.decode("utf-8", "surrogateescape")}
        return info, node.content
    if isinstance(node, Directory):
        info.type = tarfile.DIRTYPE
    elif isinstance(node, (Symlink, HardLink)):
        info.type = tarfile.SYMTYPE if isinstance(node, Symlink) else tarfile.LNKTYPE
        info.linkname, info.mode = node.target, 0o777
    elif isinstance(node, Device):
        info.type = tarfile.CHRTYPE if node.kind == "character" else tarfile.BLKTYPE
        info.devmajor, info.devminor, info.mode = node.major, node.minor, node.mode
    else:
        info.type, info.mode = tarfile.FIFOTYPE, node.mode
    return info, b""
