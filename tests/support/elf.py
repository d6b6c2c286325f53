"""ELF files built in code. They contain only the parts that loaders read, and can be broken on purpose.

::

    bytes(Elf(interpreter="/lib/ld-musl-x86_64.so.1", needed=("libc.musl-x86_64.so.1",)))
    bytes(elf_for("linux/arm/v6", arm=Arm(cpu_arch=6)))

Specs: the System V gABI; the build attributes of the ARM ABI (addenda32).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_alpine.platforms import Platform
from tests.support.elf_symbols import DT_REL, DT_RELA, DT_RELASZ, DT_RELSZ, DT_STRSZ, SymbolTables

if TYPE_CHECKING:
    from collections.abc import Mapping

ET_REL, ET_EXEC, ET_DYN = 1, 2, 3
DF_1_PIE = 0x08000000

# Address and offset differ, so that a test fails if a reader confuses them.
_BASE = 0x10000

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 5, 14, 15, 29
_DT_FLAGS_1, _DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFB, 0x6FFFFFFE, 0x6FFFFFFF
_SHT_STRTAB, _SHT_ARM_ATTRIBUTES = 3, 0x70000003


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """Build attributes of an ARM file: Tag_CPU_arch, Tag_FP_arch and Tag_ABI_VFP_args."""

    cpu_arch: int = 10
    fp_arch: int = 4
    vfp_args: int = 1

    def __bytes__(self) -> bytes:
        # Compilers also write a Tag_CPU_name, which is a text among numbers.
        tags = bytes([5]) + b"CPU\0" + bytes([6, self.cpu_arch, 10, self.fp_arch, 28, self.vfp_args])
        scope = bytes([1]) + struct.pack("<I", len(tags) + 5) + tags
        return b"A" + struct.pack("<I", len(scope) + 10) + b"aeabi\0" + scope


@dataclass(frozen=True, kw_only=True, slots=True)
class Elf:
    """An ELF file; ``bytes()`` writes it."""

    bits: int = 64
    big_endian: bool = False
    machine: int = 62
    type: int = ET_DYN
    osabi: int = 0
    flags: int = 0
    interpreter: str | None = None
    needed: tuple[str, ...] = ()
    soname: str | None = None
    runpath: str | None = None
    rpath: str | None = None
    flags_1: int = 0
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Needed versions by library."""
    symbols: SymbolTables | None = None
    arm: Arm | None = None
    payload: bytes = b""
    """Bytes after the file, in place of the texts of a program."""

    def __bytes__(self) -> bytes:
        return _write(self)


def elf_for(platform: str, **fields: Any) -> Elf:  # noqa: ANN401 - the fields of Elf
    """Return a position-independent executable as Alpine builds it for *platform*, with further *fields*."""
    machine = Platform.parse(platform).machine
    built = Elf(
        bits=machine.bits,
        big_endian=machine.big_endian,
        machine=machine.elf_machine,
        interpreter=f"/lib/ld-musl-{machine.loader_arch}.so.1",
        needed=(f"libc.musl-{machine.apk_arch}.so.1",),
        flags_1=DF_1_PIE,
    )
    return replace(built, **fields)


def musl_loader(platform: str = "linux/amd64", version: str = "1.2.5", symbols: SymbolTables | None = None) -> bytes:
    """Return a file like musl's loader for *platform*, with the texts that contain its name and version."""
    machine = Platform.parse(platform).machine
    soname = f"libc.musl-{machine.apk_arch}.so.1"
    texts = f"\0127.0.0.1\0LINUX_2.6.39\0{version}\0musl libc ({machine.loader_arch})\nVersion %s\n\0".encode()
    return bytes(
        elf_for(platform, interpreter=None, needed=(), soname=soname, flags_1=0, payload=texts, symbols=symbols)
    )


def glibc_loader(soname: str = "ld-linux-x86-64.so.2", texts: bytes = b"") -> bytes:
    """Return a file like glibc's loader, which defines the versions of its symbols; *texts* follow them."""
    return bytes(Elf(soname=soname, payload=b"\0GLIBC_2.2.5\0GLIBC_2.36\0GLIBC_PRIVATE\0" + texts))


def _write(elf: Elf) -> bytes:
    wide, order = elf.bits == 64, ">" if elf.big_endian else "<"
    strings = _Strings()
    header_size, segment_size = (64, 56) if wide else (52, 32)
    tags, needs = _tags(elf, strings), _version_needs(elf, strings, order)
    parts = {_DT_VERNEED: needs} if needs else {}
    if elf.symbols is not None:
        parts |= elf.symbols.parts(wide=wide, order=order, machine=elf.machine, add=strings.add)
    tags += [(tag, 0) for tag in parts] + _sizes(elf, parts, strings)
    interpreter = elf.interpreter.encode("utf-8", "surrogateescape") + b"\0" if elf.interpreter is not None else b""
    dynamic_size = (len(tags) + 2) * (16 if wide else 8) if tags else 0
    count = 1 + bool(tags) + bool(interpreter)
    start = header_size + count * segment_size
    places = _places(start, interpreter, bytes(dynamic_size), bytes(strings), *parts.values())
    interpreter_at, dynamic_at, strings_at, *parts_at, end = places
    if tags:
        parts_by_tag = dict(zip(parts, parts_at, strict=True))
        tags = [(tag, _BASE + parts_by_tag[tag] if tag in parts_by_tag else value) for tag, value in tags]
        tags += [(_DT_STRTAB, _BASE + strings_at), (0, 0)]
    dynamic = b"".join(struct.pack(order + ("qQ" if wide else "iI"), *tag) for tag in tags)
    segments = [_segment(order, _PT_LOAD, 0, end, wide=wide)]
    if interpreter:
        segments.append(_segment(order, _PT_INTERP, interpreter_at, len(interpreter), wide=wide))
    if tags:
        segments.append(_segment(order, _PT_DYNAMIC, dynamic_at, len(dynamic), wide=wide))
    sections, section_count, sections_at = _sections(elf, order, end, wide=wide)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 2 if elf.big_endian else 1, 1, elf.osabi]) + bytes(8)
    header = struct.pack(
        order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
        *(elf.type, elf.machine, 1, 0, header_size, sections_at, elf.flags),
        *(header_size, segment_size, count, 64 if wide else 40, section_count, max(section_count - 1, 0)),
    )
    body = b"".join([interpreter, dynamic, bytes(strings), *parts.values()])
    return ident + header + b"".join(segments) + body + sections + elf.payload


class _Strings:
    """A string table that grows."""

    def __init__(self) -> None:
        self._data = b"\0"

    def add(self, text: str) -> int:
        self._data += text.encode("utf-8", "surrogateescape") + b"\0"
        return len(self._data) - len(text.encode("utf-8", "surrogateescape")) - 1

    def __bytes__(self) -> bytes:
        return self._data


def _tags(elf: Elf, strings: _Strings) -> list[tuple[int, int]]:
    named = [(_DT_NEEDED, name) for name in elf.needed]
    named += [(tag, text) for tag, text in ((_DT_SONAME, elf.soname), (_DT_RUNPATH, elf.runpath)) if text is not None]
    named += [(_DT_RPATH, elf.rpath)] if elf.rpath is not None else []
    tags = [(tag, strings.add(text)) for tag, text in named]
    return tags + ([(_DT_FLAGS_1, elf.flags_1)] if elf.flags_1 else [])


def _sizes(elf: Elf, parts: Mapping[int, bytes], strings: _Strings) -> list[tuple[int, int]]:
    """Return the tags for the sizes of the tables in *parts*."""
    sizes = [(_DT_VERNEEDNUM, len(elf.versions))] if _DT_VERNEED in parts else []
    sizes += [(size, len(parts[tag])) for tag, size in ((DT_RELA, DT_RELASZ), (DT_REL, DT_RELSZ)) if tag in parts]
    return sizes + ([(DT_STRSZ, len(bytes(strings)))] if elf.symbols is not None else [])


def _version_needs(elf: Elf, strings: _Strings, order: str) -> bytes:
    data = b""
    for number, (library, names) in enumerate(elf.versions.items(), 1):
        following = 0 if number == len(elf.versions) else 16 + 16 * len(names)
        data += struct.pack(order + "HHIII", 1, len(names), strings.add(library), 16, following)
        for index, name in enumerate(names, 1):
            data += struct.pack(order + "IHHII", 0, 0, 2, strings.add(name), 0 if index == len(names) else 16)
    return data


def _places(start: int, *parts: bytes) -> list[int]:
    places = [start]
    for part in parts:
        places.append(places[-1] + len(part))
    return places


def _segment(order: str, kind: int, offset: int, size: int, *, wide: bool) -> bytes:
    if wide:
        return struct.pack(order + "IIQQQQQQ", kind, 5, offset, _BASE + offset, _BASE + offset, size, size, 1)
    return struct.pack(order + "IIIIIIII", kind, offset, _BASE + offset, _BASE + offset, size, size, 5, 1)


def _sections(elf: Elf, order: str, place: int, *, wide: bool) -> tuple[bytes, int, int]:
    """Return the sections, which only tools read, their number, and the offset of their table."""
    if elf.arm is None:
        return b"", 0, 0
    attributes, names = bytes(elf.arm), b"\0.ARM.attributes\0.shstrtab\0"
    layout = order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII")
    rows = [
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (1, _SHT_ARM_ATTRIBUTES, 0, 0, place, len(attributes), 0, 0, 1, 0),
        (17, _SHT_STRTAB, 0, 0, place + len(attributes), len(names), 0, 0, 1, 0),
    ]
    table = b"".join(struct.pack(layout, *row) for row in rows)
    return attributes + names + table, len(rows), place + len(attributes) + len(names)
