from __future__ import annotations

import io
import random
import struct
from typing import TYPE_CHECKING

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.segments import InterpSegment
from hypothesis import given, settings, strategies as st

from pytest_alpine.elf.reader import ElfFile, ElfHeader, VersionNeed, is_elf, read_elf, read_header
from pytest_alpine.errors import AlpineError, MalformedImage
from pytest_alpine.platforms import PLATFORMS
from tests.support import mirror
from tests.support.elf import DF_1_PIE, ET_EXEC, ET_REL, Elf, elf_for

if TYPE_CHECKING:
    from pathlib import Path

HEADER_64, SEGMENT_64 = 64, 56


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_programs_of_every_platform(platform: object) -> None:
    elf = elf_for(str(platform), runpath="$ORIGIN/../lib", osabi=3, flags=0x5000400)
    found = read_elf(bytes(elf), "/bin/x")
    assert found == ElfFile(
        bits=elf.bits,  # type: ignore[arg-type]  # 32 or 64
        big_endian=elf.big_endian,
        machine=elf.machine,
        type=3,
        osabi=3,
        flags=0x5000400,
        interpreter=elf.interpreter,
        needed=elf.needed,
        soname=None,
        runpath="$ORIGIN/../lib",
        rpath=None,
        flags_1=DF_1_PIE,
        version_needs=(),
    )
    assert found.is_pie
    assert not found.is_static


@pytest.mark.parametrize("elf", [Elf(), Elf(bits=32, big_endian=True)], ids=["64-little", "32-big"])
def test_libraries_and_versions_they_need(elf: Elf) -> None:
    versions = {
        "libc.so.6": ("GLIBC_2.4", "GLIBC_2.34"),
        "libstdc++.so.6": ("GLIBCXX_3.4",),
        "libm.so.6": ("GLIBC_2.4",),
    }
    built = Elf(
        bits=elf.bits,
        big_endian=elf.big_endian,
        needed=("libc.so.6", "libstdc++.so.6"),
        soname="libx.so.1",
        rpath="/opt/lib",
        versions=versions,
    )
    found = read_elf(bytes(built), "x")
    assert (found.soname, found.rpath, found.runpath) == ("libx.so.1", "/opt/lib", None)
    assert found.version_needs == tuple(VersionNeed(library=name, versions=each) for name, each in versions.items())
    assert found.glibc_versions == ("GLIBC_2.34", "GLIBC_2.4")


@pytest.mark.parametrize(
    ("library", "version", "is_glibc"),
    [
        ("libc.so.6", "GLIBC_2.34", True),
        ("libm.so.6", "GLIBC_2.29", True),
        ("libpthread.so.0", "GLIBC_2.2.5", True),
        ("libresolv.so.2", "GLIBC_2.17", True),
        ("ld-linux-x86-64.so.2", "GLIBC_2.3", True),
        ("ld64.so.2", "GLIBC_2.22", True),
        ("ld.so.1", "GLIBC_2.1", True),
        ("libc.musl-x86_64.so.1", "GLIBC_2.4", True),
        ("libgcc_s.so.1", "GLIBC_2.0", False),
        ("libgcc_s-0cd532bd.so.1", "GLIBC_2.0", False),
        ("libgcc_s.so.1", "GLIBC_2.2", False),
        ("libcairo.so.2", "GLIBC_2.0", False),
        ("libc.so.6", "FBSD_1.0", False),
    ],
    ids=[
        "libc", "libm", "libpthread", "libresolv", "loader", "loader-ppc64le", "loader-s390", "renamed-by-patchelf",
        "libgcc", "auditwheel-copy-of-libgcc", "libgcc-s390x", "another-library", "another-version",
    ],
)  # fmt: skip
def test_glibc_versions_are_those_of_its_own_libraries(library: str, version: str, is_glibc: bool) -> None:
    found = read_elf(bytes(Elf(needed=(library,), versions={library: (version,)})), "x")
    assert found.glibc_versions == ((version,) if is_glibc else ())


@pytest.mark.parametrize(
    ("elf", "is_static", "is_pie"),
    [
        (Elf(type=ET_EXEC), True, False),
        (Elf(flags_1=DF_1_PIE), True, True),
        (Elf(type=ET_EXEC, interpreter="/lib/ld"), False, False),
        (Elf(interpreter="/lib/ld"), False, True),
        (Elf(soname="libc.musl-x86_64.so.1"), False, False),
        (Elf(flags_1=DF_1_PIE, needed=("libz.so.1",)), False, True),
        (Elf(type=ET_REL), False, False),
    ],
    ids=["static", "static-pie", "dynamic", "dynamic-pie", "library", "loaded-by-hand", "object"],
)
def test_kinds_of_files(elf: Elf, is_static: bool, is_pie: bool) -> None:
    found = read_elf(bytes(elf), "x")
    assert (found.is_static, found.is_pie) == (is_static, is_pie)


def test_names_are_bytes_to_linux() -> None:
    odd = "/lib/\udcff\u00e9"
    assert read_header(bytes(Elf(interpreter=odd)), "x").interpreter == odd


def test_header_of_a_stream_and_of_the_first_bytes() -> None:
    data = bytes(elf_for("linux/amd64", payload=bytes(100_000)))
    expected = read_header(data, "x")
    assert type(expected) is ElfHeader
    assert read_header(io.BytesIO(data), "x") == expected
    assert read_header(data[:4096], "x") == expected


@pytest.mark.parametrize(
    ("head", "answer"),
    [(b"\x7fELF", True), (b"\x7fELF\x02\x01", True), (b"\x7fEL", False), (b"", False), (b"#!/bin/sh", False)],
    ids=["magic", "more", "short", "empty", "script"],
)
def test_is_elf(head: bytes, answer: bool) -> None:
    assert is_elf(head) is answer


def patched(place: int, layout: str, value: int, elf: Elf | None = None) -> bytes:
    data = bytearray(bytes(elf or elf_for("linux/amd64")))
    struct.pack_into(layout, data, place, value)
    return bytes(data)


INTERPRETER, DYNAMIC = HEADER_64 + SEGMENT_64, HEADER_64 + 2 * SEGMENT_64
VERSIONED = Elf(versions={"libc.so.6": ("GLIBC_2.4",)}, needed=("libc.so.6",))


def needs_at(elf: Elf) -> int:
    """Return where the needed versions of *elf* begin: 16 bytes of each of its two records from its end."""
    return len(bytes(elf)) - 32


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "truncated: identification at byte 0, the file has 0"),
        (b"\x7fELF", "truncated: identification at byte 0, the file has 4"),
        (b"#!/bin/sh\necho hello\n", r"begins with b'#!/b' (expected b'\x7fELF')"),
        (b"\x7fELF\x03\x01" + bytes(60), "class 3, byte order 1 (expected 1 or 2 each)"),
        (b"\x7fELF\x02\x00" + bytes(60), "class 2, byte order 0 (expected 1 or 2 each)"),
        (b"\x7fELF\x02\x01" + bytes(20), "truncated: header at byte 16, the file has 26"),
        (patched(54, "<H", 12), "3 program headers of 12 bytes (expected less than 65535 of 56)"),
        (patched(56, "<H", 0xFFFF), "65535 program headers of 56 bytes (expected less than 65535 of 56)"),
        (patched(32, "<Q", 1 << 60), "truncated: program headers at byte 1152921504606846976, the file has"),
        (patched(INTERPRETER + 32, "<Q", 0), "interpreter of 0 bytes (expected 2 to 4096)"),
        (patched(INTERPRETER + 32, "<Q", 1 << 40), "interpreter of 1099511627776 bytes (expected 2 to 4096)"),
        (patched(INTERPRETER + 8, "<Q", 1 << 40), "truncated: interpreter at byte 1099511627776, the file has"),
        (patched(DYNAMIC + 32, "<Q", 1 << 40), "dynamic section of 1099511627776 bytes (expected at most 65536)"),
        (patched(DYNAMIC + 8, "<Q", 5000), "truncated: dynamic section at byte 5000, the file has"),
        (patched(HEADER_64 + 16, "<Q", 1 << 40), "string table at address 0x10141, which no segment loads"),
        (patched(needs_at(VERSIONED), "<H", 1, VERSIONED)[:-1], "truncated: needed versions at byte"),
        (patched(needs_at(VERSIONED) + 2, "<H", 9999, VERSIONED), "more than 4096 needed versions"),
        (patched(needs_at(VERSIONED) + 4, "<I", 1 << 20, VERSIONED), "truncated: dynamic string at byte"),
    ],
    ids=[
        "empty", "magic-only", "script", "class", "byte-order", "no-header", "entry-size", "too-many-segments",
        "segments-outside", "interpreter-empty", "interpreter-huge", "interpreter-outside", "dynamic-huge",
        "dynamic-outside", "not-loaded", "versions-cut", "versions-many", "string-outside",
    ],
)  # fmt: skip
def test_broken_files(data: bytes, problem: str) -> None:
    with pytest.raises(MalformedImage) as caught:
        read_elf(data, "/bin/x")
    assert str(caught.value).startswith(f"/bin/x: broken ELF file: {problem}")


def test_a_file_without_program_headers_asks_for_nothing() -> None:
    found = read_elf(patched(56, "<H", 0), "x")
    assert (found.interpreter, found.needed, found.is_static, found.is_pie) == (None, (), False, False)


def test_strings_without_an_end() -> None:
    data = bytes(Elf(soname="x" * 5000))
    with pytest.raises(MalformedImage, match=r"x: broken ELF file: dynamic string at byte [0-9]+ does not end"):
        read_elf(data, "x")


def test_dynamic_section_without_strings() -> None:
    elf = elf_for("linux/amd64")
    data = bytes(elf).replace(struct.pack("<q", 5), struct.pack("<q", 21))
    with pytest.raises(MalformedImage, match="x: broken ELF file: dynamic section without a string table"):
        read_elf(data, "x")


def test_versions_that_chain_back_end() -> None:
    data = bytearray(bytes(VERSIONED))
    struct.pack_into("<I", data, needs_at(VERSIONED) + 28, 0xFFFFFFF0)  # vna_next
    found = read_elf(bytes(data), "x")  # one version is announced, so the next one is never looked for
    assert found.glibc_versions == ("GLIBC_2.4",)


SEEDS = [
    bytes(elf_for("linux/amd64", versions={"libc.so.6": ("GLIBC_2.4", "GLIBC_2.5")}, runpath="/x")),
    bytes(elf_for("linux/arm/v6", soname="y")),
    bytes(elf_for("linux/s390x", rpath="/z")),
]


@settings(max_examples=500)
@given(seed=st.sampled_from(SEEDS), changes=st.lists(st.tuples(st.integers(0, 700), st.binary(min_size=1, max_size=8))))
def test_damaged_files_raise_nothing_but_errors_of_ours(seed: bytes, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(seed)
    for place, new in changes:
        data[place : place + len(new)] = new
    try:
        read_elf(bytes(data), "x")
    except AlpineError as error:
        assert str(error).startswith("x: broken ELF file: ")  # noqa: PT017 - most damaged files raise, not all


@given(st.binary(max_size=300))
def test_random_bytes_behind_the_magic(tail: bytes) -> None:
    with pytest.raises(MalformedImage):
        read_elf(b"\x7fELF" + tail[:11], "x")
    try:
        read_elf(b"\x7fELF\x02\x01" + tail, "x")
    except AlpineError as error:
        assert str(error).startswith("x: broken ELF file: ")  # noqa: PT017 - nearly all raise


def peers(data: bytes) -> tuple[object, ...]:
    """Return what pyelftools says of the ELF file *data*."""
    elf = ELFFile(io.BytesIO(data))
    tags: dict[str, list[str]] = {}
    interpreter = None
    for segment in elf.iter_segments():
        if isinstance(segment, InterpSegment):
            interpreter = segment.get_interp_name()
        if isinstance(segment, DynamicSegment):
            for tag in segment.iter_tags():
                name = str(tag.entry.d_tag)
                tags.setdefault(name, []).append(getattr(tag, name[3:].lower(), ""))
    section = elf.get_section_by_name(".gnu.version_r")
    needs = section.iter_versions() if isinstance(section, GNUVerNeedSection) else ()
    return (
        (elf.elfclass, not elf.little_endian, elf["e_flags"], interpreter),
        tuple(tags.get("DT_NEEDED", ())),
        [tags.get(name, [None])[0] for name in ("DT_SONAME", "DT_RUNPATH", "DT_RPATH")],
        [(need.name, tuple(version.name for version in versions)) for need, versions in needs],
    )


@pytest.mark.skipif(not mirror.TARBALLS, reason="needs the official root filesystems")
@pytest.mark.parametrize("tarball", mirror.TARBALLS, ids=mirror.tarball_id)
def test_official_binaries_read_as_pyelftools_reads_them(tarball: Path) -> None:
    rootfs = mirror.opened(tarball)
    count = 0
    for entry in rootfs.walk():
        if not entry.is_file or not is_elf(rootfs.read(entry.path, 4)):
            continue
        count += 1
        data = rootfs.read(entry.path)
        found = read_elf(data, entry.path)
        ours = (
            (found.bits, found.big_endian, found.flags, found.interpreter),
            found.needed,
            [found.soname, found.runpath, found.rpath],
            [(need.library, need.versions) for need in found.version_needs],
        )
        assert ours == peers(data), entry.path
        place = random.Random(count).randrange(len(data))
        try:
            read_elf(data[:place], entry.path)
        except MalformedImage:
            continue
    assert count >= 16
