"""Headers of tars: the fast way and tarfile's own see the same."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from pytest_alpine.rootfs.tar import OrdinaryInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS = (
    "name",
    "mode",
    "uid",
    "gid",
    "size",
    "mtime",
    "chksum",
    "type",
    "linkname",
    "uname",
    "gname",
    "devmajor",
    "devminor",
)


def seen(kind: type[tarfile.TarInfo], block: bytes) -> Mapping[str, object]:
    try:
        info = kind.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, UnicodeDecodeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {name: getattr(info, name) for name in FIELDS}


def header(**fields: object) -> bytes:
    info = tarfile.TarInfo("usr/bin/env")
    for name, value in fields.items():
        setattr(info, name, value)
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")[-512:]


def summed(block: bytes) -> bytes:
    """Return *block* with the checksum that its bytes have."""
    total = 256 + sum(block[:148]) + sum(block[156:])
    return block[:148] + b"%06o\0 " % total + block[156:]


BLOCKS = {
    "file": header(size=12345, mode=0o4755, uid=1000, gid=100, mtime=1_700_000_000, uname="root", gname="wheel"),
    "directory": summed(header(type=tarfile.DIRTYPE, name="usr/lib")[:7] + b"//" + header(type=tarfile.DIRTYPE)[9:]),
    "symlink": header(type=tarfile.SYMTYPE, linkname="/bin/busybox"),
    "hard-link": header(type=tarfile.LNKTYPE, linkname="bin/busybox"),
    "device": header(type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "old-directory": summed(header(type=tarfile.AREGTYPE)[:11] + b"/" + header(type=tarfile.AREGTYPE)[12:]),
    "prefix": tarfile.TarInfo("long/" * 25 + "name").tobuf(tarfile.USTAR_FORMAT),
    "base-256": header(size=1 << 40),
    "negative": header(mtime=-5),
    "pax": header(type=tarfile.XHDTYPE, size=100),
    "gnu-long-name": header(type=tarfile.GNUTYPE_LONGNAME, size=100),
    "sparse": header(type=tarfile.GNUTYPE_SPARSE),
    "latin-1-name": summed(b"caf\xe9" + bytes(96) + header()[100:]),
    "empty-numbers": summed(header()[:100] + bytes(8) + header()[108:]),
    "signed-octal": summed(header()[:100] + b"-000644\0" + header()[108:]),
    "underscored-octal": summed(header()[:100] + b"0_00644\0" + header()[108:]),
    "no-octal": summed(header()[:100] + b"0000849\0" + header()[108:]),
    "no-ascii-number": summed(header()[:100] + b"000\xe9644\0" + header()[108:]),
    "wrong-checksum": header()[:10] + b"!" + header()[11:],
    "zeros": bytes(512),
    "short": header()[:-1],
    "nothing": b"",
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_headers_are_read_as_tarfile_reads_them(block: bytes) -> None:
    assert seen(OrdinaryInfo, block) == seen(tarfile.TarInfo, block)


@given(
    st.sampled_from(list(BLOCKS.values())),
    st.dictionaries(st.integers(0, 511), st.integers(0, 255), max_size=6),
    st.booleans(),
)
def test_damaged_headers_are_read_as_tarfile_reads_them(block: bytes, changes: dict[int, int], resummed: bool) -> None:
    damaged = bytearray(block)
    for place, value in changes.items():
        if place < len(damaged):
            damaged[place] = value
    data = summed(bytes(damaged)) if resummed and len(damaged) == 512 else bytes(damaged)
    assert seen(OrdinaryInfo, data) == seen(tarfile.TarInfo, data)


def test_whole_archives() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("a", "b" * 150, "c" * 300, "d/é"):
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"abc"))
    buffer.seek(0)
    with tarfile.open(fileobj=buffer, mode="r:", tarinfo=OrdinaryInfo) as tar:
        assert [(member.name, member.size) for member in tar] == [("a", 3), ("b" * 150, 3), ("c" * 300, 3), ("d/é", 3)]
