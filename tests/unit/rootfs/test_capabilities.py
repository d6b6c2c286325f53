"""File capabilities, from the bytes that ``setcap`` writes to what messages say."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.rootfs.capabilities import parse_capabilities
from pytest_alpine.rootfs.layers import flatten, read_changeset
from tests.support.images import File, HardLink, layer_tar

if TYPE_CHECKING:
    from pathlib import Path

# What setcap wrote, and what getcap said of it.
WRITTEN = {
    "one": ("0100000200200000000000000000000000000000", "cap_net_raw=ep"),
    "two": ("0100000200240000000000000000000000000000", "cap_net_bind_service,cap_net_raw=ep"),
    "inheritable": ("0100000200002000000020000000000000000000", "cap_sys_admin=eip"),
    "second-word": ("0000000201000000000000008000000000000000", "cap_chown,cap_bpf=p"),
    "two-kinds": ("0100000201000000200000000000000000000000", "cap_kill=ei cap_chown=ep"),
    "user": ("0100000320000000000000000000000000000000e8030000", "cap_kill=ep [rootid=1000]"),
    "user-root": ("010000032000000000000000000000000000000000000000", "cap_kill=ep"),
    "all": ("01000002ffffffff00000000ff01000000000000", "all=ep"),
    "none": ("0100000200000000000000000000000000000000", "none permitted"),
    "first-revision": ("010000010020000000000000", "cap_net_raw=ep"),
    "later-than-this-table": ("0100000200000000000000000002000000000000", "cap_41=ep"),
    "short": ("010000020020", "malformed, 010000020020"),
    "long": ("01000002" + "00" * 40, "malformed, 01000002" + "00" * 20),
    "unknown-revision": (
        "0100000400200000000000000000000000000000",
        "malformed, 0100000400200000000000000000000000000000",
    ),
    "empty": ("", "malformed, empty"),
}


@pytest.mark.parametrize(("value", "text"), WRITTEN.values(), ids=WRITTEN)
def test_what_messages_say(value: str, text: str) -> None:
    assert parse_capabilities(bytes.fromhex(value)) == text


def _entries(folder: Path, *tars: bytes) -> dict[str, str | None]:
    changesets = []
    for number, tar in enumerate(tars):
        (folder / f"{number}.tar").write_bytes(tar)
        changesets.append(read_changeset(folder / f"{number}.tar", "layer"))
    return {path: entry.capabilities for path, entry in flatten(changesets).items() if entry.is_file}


def test_a_layer_brings_them_and_a_later_one_drops_them(tmp_path: Path) -> None:
    ping = File(b"#!", capabilities=bytes.fromhex(WRITTEN["one"][0]))
    lower = layer_tar({"bin/ping": ping, "bin/ping6": HardLink("bin/ping"), "bin/copy": ping, "bin/sh": b""})
    assert _entries(tmp_path, lower, layer_tar({"bin/copy": File(b"#!")})) == {
        "/bin/ping": "cap_net_raw=ep",
        "/bin/ping6": "cap_net_raw=ep",
        "/bin/copy": "",
        "/bin/sh": "",
    }


@pytest.mark.parametrize("value", [value for value, _ in WRITTEN.values()], ids=WRITTEN)
def test_raw_bytes_as_engines_write_them(tmp_path: Path, value: str) -> None:
    # Go writes a record's value as it is; Python marks its archives where a value is no UTF-8.
    record = b" SCHILY.xattr.security.capability=" + bytes.fromhex(value) + b"\n"
    length = next(number for number in range(100) if len(str(number)) + len(record) == number)
    content = str(length).encode() + record
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        header = tarfile.TarInfo("PaxHeaders.0/ping")
        header.type, header.size = tarfile.XHDTYPE, len(content)
        tar.addfile(header, io.BytesIO(content))
        tar.addfile(tarfile.TarInfo("ping"))
    assert _entries(tmp_path, buffer.getvalue()) == {"/ping": parse_capabilities(bytes.fromhex(value))}
