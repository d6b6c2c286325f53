"""Members of untrusted tar archives, read in bounded time and memory for any content.

Specs: pax in https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html, ustar and GNU tar's extensions.
"""

from __future__ import annotations

import io
import struct
import tarfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final, cast

from pytest_alpine.errors import MalformedImage
from pytest_alpine.rootfs.base import Entry, Kind
from pytest_alpine.rootfs.capabilities import PAX_RECORD, parse_capabilities

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK: Final = 512

PATH_MAX: Final = 4096
"""The length in bytes from which Linux opens no name."""

# Bytes of the headers of one member. Go's archive/tar, which container engines use, allows half of it for the extended
# records.
_MAX_HEADERS: Final = 2 << 20

# Name, mode, uid, gid, size, mtime, checksum, type, link, magic with version, user, group, device numbers, prefix.
_HEADER: Final = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_CHECKSUM: Final = slice(148, 156)
_SPACES: Final = 8 * 0x20  # the checksum counts itself as spaces
_KINDS: Final[dict[bytes, Kind]] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.FIFOTYPE: "fifo",
}
# AREGTYPE is left to tarfile: in old tars it is also the type of directories, whose names end with a slash.
_ORDINARY: Final = frozenset({*_KINDS, tarfile.LNKTYPE} - {tarfile.AREGTYPE, tarfile.CONTTYPE})


def members(stream: IO[bytes], where: str) -> Iterator[tarfile.TarInfo]:
    """Yield the members of the uncompressed tar *stream*; skips their contents.

    Args:
        stream: a seekable stream.
        where: the name of the tar in messages.

    Raises:
        MalformedImage: *stream* is not a tar, is truncated, or has a broken header or a name that no file can have.
    """
    end = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    headers = _Headers(stream, where)
    with (
        _tar_errors(where),
        tarfile.open(
            fileobj=cast("IO[bytes]", headers),
            mode="r:",
            tarinfo=OrdinaryInfo,
            errors="surrogateescape",
            encoding="utf-8",
        ) as tar,
    ):
        place = 0
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # else every header of a large layer stays in memory
            if tar.offset <= place or member.size < 0:
                raise MalformedImage(f"{where}: {member.name!r:.200} claims a size of {member.size} bytes")
            place = tar.offset
            headers.begin()
            _check(member, end, where)
            yield member
        # tarfile takes a broken header, other than the first, for the end of the archive, and may have read on.
        stream.seek(place)
        if tar.offset != place or stream.read(BLOCK).strip(b"\0"):
            raise MalformedImage(f"{where}: broken tar header at byte {place}")


def entry_of(member: tarfile.TarInfo, path: str) -> Entry | None:
    """Return *member* as the entry at *path*; None if it is not a file, directory, symbolic link, device or fifo."""
    kind = _KINDS.get(member.type)
    if kind is None or member.issparse():
        return None
    return Entry(
        path=path,
        kind=kind,
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        size=member.size if kind == "file" else 0,
        target=member.linkname if kind == "symlink" else "",
        offset=member.offset_data if kind == "file" else -1,
        capabilities=_capabilities(member) if kind == "file" else "",
    )


def _capabilities(member: tarfile.TarInfo) -> str:
    value = member.pax_headers.get(PAX_RECORD)
    return parse_capabilities(value.encode("utf-8", "surrogateescape")) if value is not None else ""


def _check(member: tarfile.TarInfo, end: int, where: str) -> None:
    for name in (member.name, member.linkname):
        if len(name) >= PATH_MAX or "\0" in name:
            raise MalformedImage(f"{where}: a name of {len(name)} bytes, {name!r:.80} (expected less than {PATH_MAX})")
    if member.isreg() and not member.issparse() and member.offset_data + member.size > end:
        raise MalformedImage(f"{where}: truncated in the middle of {member.name!r}")


class _Headers(io.RawIOBase):
    """The stream that tarfile reads headers from; refuses headers that are too large for the memory."""

    def __init__(self, stream: IO[bytes], where: str) -> None:
        self._stream = stream
        self._where = where
        self._left = _MAX_HEADERS

    def begin(self) -> None:
        """Start to count the headers of the next member."""
        self._left = _MAX_HEADERS

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes."""
        if not 0 <= size <= self._left:
            place = self._stream.tell()
            raise MalformedImage(f"{self._where}: a header of {size} bytes at byte {place} (at most {self._left})")
        data = self._stream.read(size)
        self._left -= len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to *offset*."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the position of the stream."""
        return self._stream.tell()


@contextmanager
def _tar_errors(where: str) -> Iterator[None]:
    try:
        yield
    # Besides its own errors, tarfile raises ValueError and OverflowError on headers that its checksum does not protect,
    # and RecursionError on a long chain of extended headers.
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise MalformedImage(f"{where}: not a readable tar archive: {error}") from error


class OrdinaryInfo(tarfile.TarInfo):
    """A member of a tar. An ordinary header is read in a third of the time that ``tarfile`` takes.

    A layer has hundreds of members whose contents are not read, so that most of the time is spent on headers. All
    other headers are left to ``tarfile``, so that there is only one interpretation of them.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> OrdinaryInfo:
        """Return the member whose header is *buf*."""
        if len(buf) != tarfile.BLOCKSIZE or buf[156:157] not in _ORDINARY:
            return super().frombuf(buf, encoding, errors)
        fields = _HEADER.unpack(buf)
        try:
            numbers = [_number(fields[place]) for place in (1, 2, 3, 4, 5, 6, 12, 13)]
        except ValueError:  # numbers that are not octal digits
            return super().frombuf(buf, encoding, errors)
        if min(numbers) < 0 or numbers[5] != _SPACES + sum(buf) - sum(buf[_CHECKSUM]):
            return super().frombuf(buf, encoding, errors)
        info = cls()
        info.mode, info.uid, info.gid, info.size, info.mtime, info.chksum, info.devmajor, info.devminor = numbers
        info.name, info.linkname, info.uname, info.gname, prefix = (
            fields[place].partition(b"\0")[0].decode(encoding, errors) for place in (0, 8, 10, 11, 14)
        )
        info.type = fields[7]
        if info.type == tarfile.DIRTYPE:
            info.name = info.name.rstrip("/")
        if prefix:
            info.name = f"{prefix}/{info.name}"
        return info


def _number(field: bytes) -> int:
    return int(field.partition(b"\0")[0].strip() or b"0", 8)
