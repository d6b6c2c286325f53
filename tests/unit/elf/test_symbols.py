from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Final

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from hypothesis import given, settings, strategies as st

from pytest_alpine.elf.reader import is_elf
from pytest_alpine.elf.symbols import Symbols, read_symbols, unresolved
from pytest_alpine.errors import MalformedImage
from pytest_alpine.platforms import PLATFORMS
from tests.support import mirror
from tests.support.elf import Elf, elf_for
from tests.support.elf_symbols import DT_GNU_HASH, DT_STRSZ, SymbolTables

if TYPE_CHECKING:
    from pathlib import Path

TABLES: Final = SymbolTables(
    needed=("printf", "open"),
    unused=("never",),
    weak=("__cxa_finalize",),
    copied=("stdout",),
    defined=("main", "help"),
    thread_local=("errno_of_app",),
    hidden=("old",),
)


def symbols(needed: str = "", copied: str = "", defined: str = "") -> Symbols:
    return Symbols(
        needed=frozenset(needed.encode().split()),
        copied=frozenset(copied.encode().split()),
        defined=frozenset(defined.encode().split()),
    )


@pytest.mark.parametrize("style", ["gnu", "sysv"])
@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_symbols_of_every_platform(platform: object, style: str) -> None:
    tables = SymbolTables(
        needed=("printf", "open"), weak=("maybe",), unused=("never",), defined=("main",), thread_local=("local",),
        hidden=("old",), hash_style=style,  # type: ignore[arg-type]  # one of the two
    )  # fmt: skip
    assert read_symbols(bytes(elf_for(str(platform), symbols=tables)), "x") == symbols(
        needed="printf open", defined="main local"
    )


def test_copies_are_told_apart() -> None:
    found = read_symbols(bytes(elf_for("linux/amd64", symbols=TABLES)), "x")
    assert found == symbols(needed="printf open", copied="stdout", defined="stdout main help errno_of_app")


@pytest.mark.parametrize(
    ("tables", "found"),
    [
        (None, symbols()),
        (SymbolTables(), symbols()),
        (SymbolTables(needed=("a",)), symbols(needed="a")),
        (SymbolTables(needed=("a",), defined=("b",), hash_style="none"), symbols(needed="a")),
    ],
    ids=["no-table", "empty", "only-undefined", "no-hash-table"],
)
def test_tables_without_definitions(tables: SymbolTables | None, found: Symbols) -> None:
    assert read_symbols(bytes(elf_for("linux/arm64", symbols=tables)), "x") == found


@pytest.mark.parametrize(
    ("objects", "scope", "lacking"),
    [
        ([symbols(defined="a")], [], []),
        ([symbols("a")], [symbols(defined="a")], []),
        ([symbols("a"), symbols(defined="a")], [], []),
        ([symbols(defined="a"), symbols("a")], [], []),
        ([symbols("a b c"), symbols("d", defined="b")], [symbols("x", defined="c")], [(0, {b"a"}), (1, {b"d"})]),
        ([symbols(copied="a", defined="a")], [symbols(defined="a")], []),
        ([symbols(copied="a", defined="a"), symbols("a")], [], [(0, {b"a"})]),
    ],
    ids=["itself", "libc", "library", "of-the-program", "missing", "copy", "copy-of-nothing"],
)
def test_unresolved(objects: list[Symbols], scope: list[Symbols], lacking: list[tuple[int, set[bytes]]]) -> None:
    assert [(number, set(names)) for number, names in unresolved(objects, scope)] == lacking


def with_tag(tag: int, value: int, elf: Elf | None = None) -> bytes:
    """Return an ELF file with another value of the dynamic section's *tag*."""
    data = bytes(elf or elf_for("linux/amd64", symbols=TABLES))
    place = data.index(struct.pack("<q", tag)) if tag > 256 else data.index(struct.pack("<q", tag), 64 + 3 * 56)
    return data[: place + 8] + struct.pack("<Q", value) + data[place + 16 :]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (with_tag(DT_STRSZ, 1 << 40), "string table of 1099511627776 bytes (expected at most 268435456)"),
        (with_tag(DT_STRSZ, 1 << 20), "truncated: string table at byte"),
        (with_tag(DT_STRSZ, 3), "name of a symbol at byte"),
        (with_tag(DT_GNU_HASH, 0x10000), "hash table of "),
        (with_tag(6, 0), "symbol table at address 0x0, which no segment loads"),
        (with_tag(8, 1 << 40), "relocations of 1099511627776 bytes (expected at most 268435456)"),
        (with_tag(8, 1 << 20), "truncated: relocations at byte"),
    ],
    ids=["strings-huge", "strings-cut", "name-outside", "no-hash-table", "not-loaded", "relocations-huge", "cut"],
)
def test_broken_tables(data: bytes, problem: str) -> None:
    with pytest.raises(MalformedImage) as caught:
        read_symbols(data, "/bin/x")
    assert str(caught.value).startswith(f"/bin/x: broken ELF file: {problem}")


def test_many_symbols_with_one_long_name_are_refused() -> None:
    tables = SymbolTables(defined=("x" * 60_000, *(f"f{number}" for number in range(500))))
    data = bytearray(bytes(elf_for("linux/amd64", symbols=tables)))
    dynamic = next(found for found in ELFFile(io.BytesIO(data)).iter_segments() if isinstance(found, DynamicSegment))
    _, place = dynamic.get_table_offset("DT_SYMTAB")
    assert place is not None
    first = data[place + 24 : place + 28]
    for number in range(2, 502):
        data[place + 24 * number : place + 24 * number + 4] = first
    with pytest.raises(MalformedImage, match=r"^x: broken ELF file: names of symbols that are longer than the string"):
        read_symbols(bytes(data), "x")


SEEDS: Final = [
    bytes(elf_for("linux/amd64", symbols=TABLES)),
    bytes(elf_for("linux/arm/v7", symbols=TABLES)),
    bytes(elf_for("linux/s390x", symbols=SymbolTables(needed=("a",), defined=("b",), hash_style="sysv"))),
]


@settings(max_examples=500)
@given(seed=st.sampled_from(SEEDS), changes=st.lists(st.tuples(st.integers(0, 900), st.binary(min_size=1, max_size=8))))
def test_damaged_tables_raise_nothing_but_errors_of_ours(seed: bytes, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(seed)
    for place, new in changes:
        data[place : place + len(new)] = new
    try:
        read_symbols(bytes(data), "x")
    except MalformedImage as error:
        assert str(error).startswith("x: broken ELF file: ")  # noqa: PT017 - most damaged files raise, not all


def peers(data: bytes) -> tuple[set[str], set[str]]:
    """Return which symbols pyelftools calls undefined and global, and which defined, in the ELF file *data*."""
    section = ELFFile(io.BytesIO(data)).get_section_by_name(".dynsym")
    rows = list(section.iter_symbols()) if isinstance(section, SymbolTableSection) else []
    undefined = {row.name for row in rows if row["st_shndx"] == "SHN_UNDEF"}
    # Names of versions are symbols without a value.
    values = [row for row in rows if row["st_value"] or row["st_info"]["type"] == "STT_TLS"]
    defined = {row.name for row in values if row["st_shndx"] != "SHN_UNDEF" and row["st_info"]["bind"] != "STB_LOCAL"}
    return undefined, defined


@pytest.mark.skipif(not mirror.TARBALLS, reason="needs the official root filesystems")
@pytest.mark.parametrize("tarball", mirror.TARBALLS, ids=mirror.tarball_id)
def test_official_binaries_read_as_pyelftools_reads_them(tarball: Path) -> None:
    rootfs = mirror.opened(tarball)
    for entry in rootfs.walk():
        if not entry.is_file or not is_elf(rootfs.read(entry.path, 4)):
            continue
        data = rootfs.read(entry.path)
        found = read_symbols(data, entry.path)
        undefined, defined = peers(data)
        assert {name.decode() for name in found.needed} <= undefined, entry.path
        assert {name.decode() for name in found.defined} == defined, entry.path
