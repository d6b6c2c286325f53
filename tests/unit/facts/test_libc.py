from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.facts.libc import Libc, Loader, read_libc
from pytest_alpine.platforms import PLATFORMS
from tests.support.elf import Elf, elf_for, glibc_loader, musl_loader
from tests.support.rootfs import rootfs_of
from tests.support.tars import Directory, File, Symlink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.tars import Node

X86 = "ld-musl-x86_64.so.1"
GLIBC_X86 = "ld-linux-x86-64.so.2"
MUSL = musl_loader()
GLIBC = glibc_loader()
GLIBC_LIBRARY = bytes(Elf(soname="libc.so.6", payload=b"\nGNU C Library (GNU libc) stable release version 2.35.\n"))
# A small program that runs musl's loader with libgcompat preloaded.
GCOMPAT = bytes(
    elf_for("linux/amd64", interpreter=None, needed=(), payload=b"/lib/ld-musl-x86_64.so.1\0libgcompat.so.0\0")
)
DATABASE = (
    "C:Q1x=\nP:libcrypto3\nV:3.3.2-r0\n\nC:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nT:the musl C library\n\nP:zlib\nV:1\n\n"
)


def test_alpine(tmp_path: Path) -> None:
    files: dict[str, Node] = {
        f"lib/{X86}": File(MUSL, mode=0o755),
        "lib/libc.musl-x86_64.so.1": Symlink(X86),
        "lib/apk/db/installed": DATABASE,
    }
    path = f"/lib/{X86}"
    assert read_libc(rootfs_of(tmp_path, files)) == Libc(
        kind="musl",
        version="1.2.5-r0",
        loader=path,
        real=path,
        gcompat=False,
        loaders=(Loader(path=path, real=path, kind="musl"),),
        evidence=(path, "/lib/apk/db/installed"),
    )


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_musl_is_found_for_every_platform_without_a_database(tmp_path: Path, platform: object) -> None:
    names = {"linux/386": "i386", "linux/arm/v6": "armhf", "linux/arm/v7": "armhf", "linux/ppc64le": "powerpc64le"}
    found = read_libc(rootfs_of(tmp_path, {f"lib/{(name := _loader_name(str(platform)))}": musl_loader(str(platform))}))
    assert (found.kind, found.version, found.loader) == ("musl", "1.2.5", f"/lib/{name}")
    assert names.get(str(platform), "") in name


def _loader_name(platform: str) -> str:
    interpreter = elf_for(platform).interpreter
    assert interpreter is not None
    return interpreter.removeprefix("/lib/")


@pytest.mark.parametrize("version", ["1.2.5", "1.2.4_git20230717", "1.1.24", "1.2.5-git-9-gabc"])
def test_version_of_a_musl_without_a_database(tmp_path: Path, version: str) -> None:
    found = read_libc(rootfs_of(tmp_path, {f"lib/{X86}": musl_loader(version=version)}))
    assert found.version == version
    assert found.evidence == (f"/lib/{X86}",)


def test_a_musl_that_hides_its_version(tmp_path: Path) -> None:
    found = read_libc(rootfs_of(tmp_path, {f"lib/{X86}": bytes(Elf(payload=b"musl libc (x86_64)\n"))}))
    assert (found.kind, found.version, found.evidence) == ("musl", None, (f"/lib/{X86}",))


@pytest.mark.parametrize(
    ("database", "version"),
    [
        ("P:musl\nV:1.2.5-r0\n", "1.2.5-r0"),
        ("V:1.2.5-r9\nA:x86_64\nP:musl\n", "1.2.5-r9"),
        ("P:musl-utils\nV:9\n\nP:musl\nV:1.2.5-r1\n\n", "1.2.5-r1"),
        ("P:musl-utils\nV:9\n\n", "1.2.5"),
        ("P:musl\nA:x86_64\n\nP:x\nV:9\n", "1.2.5"),
        ("garbage\nwithout: any sense\n\nP:musl\nV:1.2.5-r2\n", "1.2.5-r2"),
        ("", "1.2.5"),
    ],
    ids=["only", "any-order", "after-a-longer-name", "absent", "no-version", "garbage-elsewhere", "empty"],
)
def test_version_by_the_database(tmp_path: Path, database: str, version: str) -> None:
    files: dict[str, Node] = {f"lib/{X86}": MUSL, "usr/lib/apk/db/installed": database}
    assert read_libc(rootfs_of(tmp_path, files)).version == version


def test_usr_merged(tmp_path: Path) -> None:
    files: dict[str, Node] = {
        "lib": Symlink("usr/lib"),
        f"usr/lib/{X86}": Symlink("x86_64-linux-musl/libc.so"),
        "usr/lib/x86_64-linux-musl/libc.so": MUSL,
        "usr/lib/apk/db/installed": DATABASE,
    }
    found = read_libc(rootfs_of(tmp_path, files))
    assert (found.loader, found.real) == (f"/lib/{X86}", "/usr/lib/x86_64-linux-musl/libc.so")
    assert found.version == "1.2.5-r0"


MUSL_FILES: dict[str, Node] = {f"lib/{X86}": MUSL, "lib/apk/db/installed": DATABASE}

COMPAT: list[tuple[str, dict[str, Node], list[str]]] = [
    ("gcompat", {f"lib/{GLIBC_X86}": GCOMPAT, f"lib64/{GLIBC_X86}": Symlink(f"../lib/{GLIBC_X86}"),
                 "lib/libgcompat.so.0": bytes(Elf()), "lib/libc.so.6": Symlink("libgcompat.so.0")},
     [f"/lib/{GLIBC_X86}", f"/lib64/{GLIBC_X86}"]),
    ("libc6-compat", {f"lib/{GLIBC_X86}": Symlink(X86), "lib64": Symlink("lib")}, [f"/lib/{GLIBC_X86}"]),
    ("library-only", {"usr/lib/libgcompat.so.0": bytes(Elf())}, []),
    ("by-hand", {f"lib64/{GLIBC_X86}": Symlink("/lib/libc.musl.so.1"), "lib/libc.musl.so.1": Symlink(X86)},
     [f"/lib64/{GLIBC_X86}"]),
]  # fmt: skip


@pytest.mark.parametrize(("files", "stubs"), [row[1:] for row in COMPAT], ids=[row[0] for row in COMPAT])
def test_a_glibc_loader_s_name_proves_nothing(tmp_path: Path, files: Mapping[str, Node], stubs: list[str]) -> None:
    found = read_libc(rootfs_of(tmp_path, {**MUSL_FILES, **files}))
    assert (found.kind, found.version, found.loader, found.gcompat) == ("musl", "1.2.5-r0", f"/lib/{X86}", True)
    assert [loader.path for loader in found.loaders if loader.kind == "gcompat"] == stubs
    assert found.of_kind("glibc") is None


GLIBC_PATHS = [
    ("lib64/ld-linux-x86-64.so.2", "amd64"),
    ("lib/ld-linux.so.2", "386"),
    ("lib/ld-linux-armhf.so.3", "arm"),
    ("lib/ld-linux.so.3", "armel"),
    ("lib/ld-linux-aarch64.so.1", "arm64"),
    ("lib64/ld64.so.2", "ppc64le"),
    ("lib/ld64.so.1", "s390x"),
    ("lib/ld-linux-riscv64-lp64d.so.1", "riscv64"),
    ("lib64/ld-linux-loongarch-lp64d.so.1", "loong64"),
    ("lib/ld.so.1", "mips"),
]


@pytest.mark.parametrize("path", [row[0] for row in GLIBC_PATHS], ids=[row[1] for row in GLIBC_PATHS])
def test_glibc_is_found_for_every_platform(tmp_path: Path, path: str) -> None:
    folder = "usr/lib/some-linux-gnu"
    name = path.rpartition("/")[2]
    files: dict[str, Node] = {
        path: Symlink(f"/{folder}/{name}"),
        f"{folder}/{name}": glibc_loader(name),
        f"{folder}/libc.so.6": GLIBC_LIBRARY,
    }
    found = read_libc(rootfs_of(tmp_path, files))
    assert (found.kind, found.version, found.gcompat) == ("glibc", "2.35", False)
    assert (found.loader, found.real) == (f"/{path}", f"/{folder}/{name}")
    assert found.evidence == (f"/{path}", f"/{folder}/{name}", f"/{folder}/libc.so.6")


@pytest.mark.parametrize(
    ("files", "version"),
    [
        (
            {f"lib64/{GLIBC_X86}": glibc_loader(texts=b"ld.so (Debian GLIBC 2.41-12) stable release version 2.41.\n")},
            "2.41",
        ),
        ({f"lib64/{GLIBC_X86}": Symlink("ld-2.31.so"), "lib64/ld-2.31.so": GLIBC}, "2.31"),
        ({f"lib64/{GLIBC_X86}": GLIBC, "lib64/libc.so.6": Symlink("libc-2.28.so"), "lib64/libc-2.28.so": b"x"}, "2.28"),
        ({f"lib64/{GLIBC_X86}": GLIBC}, "2.36"),
    ],
    ids=["banner-of-the-loader", "name-of-the-loader", "name-of-the-library", "symbols"],
)
def test_version_of_glibc(tmp_path: Path, files: Mapping[str, Node], version: str) -> None:
    found = read_libc(rootfs_of(tmp_path, files))
    assert (found.kind, found.version) == ("glibc", version)


def beside(shell: str | None) -> dict[str, Node]:
    """Return an Alpine with a real glibc in a folder of its own, and a shell that *shell* loads."""
    program = bytes(elf_for("linux/amd64", interpreter=shell, type=2 if shell is None else 3))
    return {
        **MUSL_FILES,
        f"usr/glibc-compat/lib/{GLIBC_X86}": GLIBC,
        "usr/glibc-compat/lib/libc.so.6": GLIBC_LIBRARY,
        f"lib/{GLIBC_X86}": Symlink(f"/usr/glibc-compat/lib/{GLIBC_X86}"),
        "lib64/": Directory(),
        f"lib64/{GLIBC_X86}": Symlink(f"/usr/glibc-compat/lib/{GLIBC_X86}"),
        "bin/busybox": File(program, mode=0o755),
        "bin/sh": Symlink("/bin/busybox"),
    }


@pytest.mark.parametrize(
    ("shell", "kind", "version"),
    [(f"/lib/{X86}", "musl", "1.2.5-r0"), (f"/lib64/{GLIBC_X86}", "glibc", "2.35"), (None, "musl", "1.2.5-r0")],
    ids=["glibc-added-to-alpine", "musl-added-to-debian", "static-shell"],
)
def test_both_libraries(tmp_path: Path, shell: str | None, kind: str, version: str) -> None:
    found = read_libc(rootfs_of(tmp_path, beside(shell)))
    assert (found.kind, found.version, found.gcompat) == (kind, version, False)
    musl, glibc = found.of_kind("musl"), found.of_kind("glibc")
    assert musl == Loader(path=f"/lib/{X86}", real=f"/lib/{X86}", kind="musl")
    assert glibc is not None
    assert glibc.real == f"/usr/glibc-compat/lib/{GLIBC_X86}"
    assert {f"/lib/{X86}", f"/lib/{GLIBC_X86}", glibc.real} <= set(found.evidence)


def test_both_libraries_and_no_shell(tmp_path: Path) -> None:
    files = {path: node for path, node in beside(None).items() if not path.startswith("bin/")}
    assert read_libc(rootfs_of(tmp_path, files)).kind == "musl"


NONE: list[tuple[str, dict[str, Node]]] = [
    ("empty", {}),
    ("static", {"bin/busybox": bytes(Elf(type=2)), "bin/sh": Symlink("busybox"), "lib/": Directory()}),
    ("dangling", {f"lib/{X86}": Symlink("/missing"), f"lib64/{GLIBC_X86}": Symlink(GLIBC_X86)}),
    ("text", {f"lib/{X86}": "not a loader", f"lib/{GLIBC_X86}": b""}),
    ("folder", {f"lib/{X86}/": Directory()}),
    ("lib-is-a-file", {"lib": "x"}),
    ("other-names", {"lib/ld-musl.so.1": MUSL, "lib/ld-linux": GLIBC, f"lib/old/{X86}": MUSL, f"opt/{X86}": MUSL}),
]


@pytest.mark.parametrize("files", [row[1] for row in NONE], ids=[row[0] for row in NONE])
def test_no_library(tmp_path: Path, files: Mapping[str, Node]) -> None:
    assert read_libc(rootfs_of(tmp_path, files)) == Libc(
        kind="none", version=None, loader=None, real=None, gcompat=False, loaders=(), evidence=()
    )


def test_gcompat_without_the_musl_that_it_needs(tmp_path: Path) -> None:
    found = read_libc(rootfs_of(tmp_path, {f"lib/{GLIBC_X86}": GCOMPAT}))
    assert (found.kind, found.loader, found.gcompat, found.evidence) == ("none", None, True, (f"/lib/{GLIBC_X86}",))


def test_a_broken_loader_of_glibc_is_none(tmp_path: Path) -> None:
    found = read_libc(rootfs_of(tmp_path, {f"lib/{GLIBC_X86}": b"\x7fELF\0GLIBC_2.36\0"}))
    assert found.kind == "none"


HOST_LOADER = Path("/lib64", GLIBC_X86)


@pytest.mark.skipif(not HOST_LOADER.is_file(), reason="needs a machine with glibc for x86-64")
def test_the_real_glibc_of_this_machine(tmp_path: Path) -> None:
    real = HOST_LOADER.resolve()
    library = real.with_name("libc.so.6")
    files = {str(path).lstrip("/"): path.read_bytes() for path in (HOST_LOADER, library)}
    found = read_libc(rootfs_of(tmp_path, files))
    assert found.kind == "glibc"
    assert found.loader == str(HOST_LOADER)
    assert found.version is not None
    assert f"GLIBC_{found.version}".encode() in library.read_bytes()
