from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_alpine import assert_runnable, find_runnable
from tests.support.elf import musl_loader
from tests.support.elf_symbols import DT_STRSZ, SymbolTables
from tests.support.images import File
from tests.unit.checks.conftest import Build, program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.images import Node

LACKING: Final = "found no definition (built with another version of what it loads, or of musl)"
MUSL: Final = File(musl_loader(symbols=SymbolTables(defined=("printf", "open", "stdout"))), mode=0o755)


def app(*needed: str, libraries: tuple[str, ...] = (), **tables: tuple[str, ...]) -> File:
    names = ("libc.musl-x86_64.so.1", *libraries)
    return program(needed=names, symbols=SymbolTables(needed=needed, **tables))  # type: ignore[arg-type]


def library(*needed: str, name: str = "libx.so.1", **fields: Any) -> File:  # noqa: ANN401 - fields of both
    others = fields.pop("libraries", ())
    versions = fields.pop("versions", {})
    tables = SymbolTables(needed=needed, **fields)
    return program(interpreter=None, flags_1=0, soname=name, needed=others, versions=versions, symbols=tables)


def image_files(files: Mapping[str, Node]) -> dict[str, Node]:
    return {"lib/ld-musl-x86_64.so.1": MUSL, **files}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (
            {"srv/app": app("printf", "pthread_getname_np")},
            f"/srv/app (no package): expected symbol pthread_getname_np in what is loaded, {LACKING}",
        ),
        (
            {"srv/app": app("e", "d", "c", "b", "a")},
            f"/srv/app (no package): expected symbols a, b, c and 2 more in what is loaded, {LACKING}",
        ),
        (
            {"srv/app": app("x", libraries=("libx.so.1",)), "lib/libx.so.1": library("gone", defined=("x",))},
            (
                "/lib/libx.so.1 (no package), loaded by /srv/app: expected symbol gone in what is loaded, "
                f"{LACKING}"
            ),
        ),
        (
            {"srv/app": app("y"), "lib/liby.so.1": library(defined=("y",), name="liby.so.1")},
            (
                "/srv/app (no package): expected symbol y in what is loaded, found no definition "
                "(/lib/liby.so.1 (no package) defines it, and is not loaded)"
            ),
        ),
        (
            {"srv/app": app(copied=("environ",))},
            f"/srv/app (no package): expected symbol environ in what is loaded, {LACKING}",
        ),
        (
            {"opt/plugin.so": library("host_api"), "srv/app": app(defined=("another_api",))},
            f"/opt/plugin.so (no package): expected symbol host_api in what is loaded, {LACKING}",
        ),
        (
            {"srv/app": app("\udcff\n" + "x" * 200)},
            (
                rf"/srv/app (no package): expected symbol \xff\n{'x' * 74}... in what is loaded, "
                f"{LACKING}"
            ),
        ),
    ],
    ids=["program", "several", "library", "defined-elsewhere", "copy", "plugin", "odd-name"],
)  # fmt: skip
def test_symbols_that_are_not_found(build: Build, files: Mapping[str, Node], problem: str) -> None:
    assert list(map(str, find_runnable(build(image_files(files))))) == [problem]


@pytest.mark.parametrize(
    ("files", "config"),
    [
        ({"srv/app": app("printf", weak=("gone",), unused=("gone_too",))}, {}),
        ({"srv/app": app("own", defined=("own",))}, {}),
        ({"srv/app": app("x", libraries=("libx.so.1",)), "lib/libx.so.1": library("printf", defined=("x",))}, {}),
        ({"srv/app": app(libraries=("libx.so.1",), defined=("back",)), "lib/libx.so.1": library("back")}, {}),
        ({"srv/app": app(copied=("stdout",))}, {}),
        ({"opt/plugin.so": library("host_api"), "srv/app": app(defined=("host_api",))}, {}),
        (
            {"srv/app": app("extra"), "opt/extra.so": library(defined=("extra",))},
            {"Env": ["LD_PRELOAD=/opt/extra.so"]},
        ),
    ],
    ids=["weak-or-unused", "own", "library", "of-the-program", "copy", "plugin-of-a-program", "preloaded"],
)
def test_symbols_that_are_found(build: Build, files: Mapping[str, Node], config: Mapping[str, object]) -> None:
    assert_runnable(build(image_files(files), config=config))


def test_what_is_told_already_has_no_symbols_told(build: Build) -> None:
    files = {
        "srv/app": app("gone", libraries=("libmissing.so.1",)),
        "lib/libg.so.1": library("__memcpy_chk", name="libg.so.1", versions={"libc.so.6": ("GLIBC_2.4",)}),
    }
    expected = [finding.expected for finding in find_runnable(build(image_files(files)))]
    assert expected == ["library libmissing.so.1 in /lib:/usr/local/lib:/usr/lib", "a file built for musl"]


def test_broken_tables_tell_nothing(build: Build) -> None:
    data = app("gone").content
    place = data.index(DT_STRSZ.to_bytes(8, "little"), 64 + 3 * 56)
    broken = data[: place + 8] + (1 << 40).to_bytes(8, "little") + data[place + 16 :]
    assert_runnable(build(image_files({"srv/app": File(broken, mode=0o755)})))
