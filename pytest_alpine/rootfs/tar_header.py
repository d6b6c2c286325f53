"""Headers of ordinary tar members, read as ``tarfile`` reads them in a third of the time.

An image's layer has hundreds of members whose contents nobody looks at: their headers are most of the work. Whatever
is not ordinary is left to ``tarfile`` itself, so that there is one reading of every header.

Spec: "ustar Interchange Format" in https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
"""

from __future__ import annotations

import struct
import tarfile
from typing import Final

# Name, mode, uid, gid, size, mtime, checksum, type, link, magic with version, user, group, device numbers, prefix.
_HEADER: Final = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_CHECKSUM: Final = slice(148, 156)
_SPACES: Final = 8 * 0x20  # the checksum counts itself as spaces
_ORDINARY: Final = frozenset(
    {
        tarfile.REGTYPE,
        tarfile.DIRTYPE,
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
    }
)


class OrdinaryInfo(tarfile.TarInfo):
    """A member of a tar."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> OrdinaryInfo:
        """Return the member whose header is *buf*."""
        if len(buf) != tarfile.BLOCKSIZE or buf[156:157] not in _ORDINARY:
            return super().frombuf(buf, encoding, errors)
        fields = _HEADER.unpack(buf)
        try:
            numbers = [_number(fields[place]) for place in (1, 2, 3, 4, 5, 6, 12, 13)]
        except ValueError:  # numbers that octal digits cannot write, or garbage
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
