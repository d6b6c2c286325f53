"""Libraries that are to be loaded before all others, and are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_runnable, find_runnable
from tests.support.elf import glibc_loader
from tests.support.images import File
from tests.unit.checks.conftest import program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.images import Node
    from tests.unit.checks.conftest import Build

SYSTEM = "/lib:/usr/local/lib:/usr/lib"
MUSL = "musl starts programs without it, and says nothing"
LIBRARY = program(interpreter=None, flags_1=0, soname="libx.so.1", needed=())
FILES: dict[str, Node] = {"opt/libx.so.1": LIBRARY, "usr/lib/liby.so.1": LIBRARY, "opt/text.so": "x"}
GLIBC: dict[str, Node] = {"lib/ld-linux-x86-64.so.2": File(glibc_loader(), mode=0o755)}

GONE: dict[str, tuple[str, str]] = {
    "path": ("/usr/lib/libgone.so", f"/usr/lib/libgone.so, found nothing there ({MUSL}; apk add so:libgone.so)"),
    "name": ("libgone.so", f"libgone.so in {SYSTEM}, found nothing there ({MUSL}; apk add so:libgone.so)"),
    "second": ("/opt/libx.so.1:liby.so.1 libgone.so.2",
               f"libgone.so.2 in {SYSTEM}, found nothing there ({MUSL}; apk add so:libgone.so.2)"),
    "elsewhere": ("libx.so.1", (f"libx.so.1 in {SYSTEM}, found nothing there "
                  f"({MUSL}; /opt/libx.so.1 (no package) is not where it is looked for; apk add so:libx.so.1)")),
    "text": ("/opt/text.so", f"/opt/text.so, found /opt/text.so, which is no library ({MUSL}; apk add so:text.so)"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "problem"), GONE.values(), ids=GONE)
def test_libraries_that_are_gone(build: Build, value: str, problem: str) -> None:
    (finding,) = find_runnable(build(FILES, config={"Env": [f"LD_PRELOAD={value}"]}))
    assert str(finding) == f"ENV LD_PRELOAD: expected the library {problem}"


THERE: dict[str, tuple[dict[str, Node], dict[str, object]]] = {
    "path": ({}, {"Env": ["LD_PRELOAD=/opt/libx.so.1"]}),
    "name": ({}, {"Env": ["LD_PRELOAD=liby.so.1"]}),
    "library-path": ({}, {"Env": ["LD_PRELOAD=libx.so.1", "LD_LIBRARY_PATH=/no:/opt"]}),
    "path-file": ({"etc/ld-musl-x86_64.path": "/opt\n/lib\n"}, {"Env": ["LD_PRELOAD=libx.so.1"]}),
    "musl-itself": ({}, {"Env": ["LD_PRELOAD=libpthread.so.0"]}),
    "empty": ({}, {"Env": ["LD_PRELOAD="]}),
    "of-the-running-program": ({}, {"Env": ["LD_PRELOAD=$ORIGIN/gone.so ./gone.so"]}),
    "volume": ({}, {"Env": ["LD_PRELOAD=/data/gone.so"], "Volumes": {"/data": {}}}),
    "file-that-musl-does-not-read": ({"etc/ld.so.preload": "/opt/gone.so\n"}, {}),
    "file-of-glibc": ({"etc/ld.so.preload": "# comment /gone\n/opt/libx.so.1\n", **GLIBC}, {}),
}


@pytest.mark.parametrize(("files", "config"), THERE.values(), ids=THERE)
def test_libraries_that_are_there(build: Build, files: dict[str, Node], config: Mapping[str, object]) -> None:
    assert_runnable(build(FILES | files, config=config))


def test_the_file_of_glibc(build: Build) -> None:
    (finding,) = find_runnable(build({"etc/ld.so.preload": "/opt/gone.so\n", **GLIBC}))
    assert str(finding) == (
        "/etc/ld.so.preload: expected the library /opt/gone.so, found nothing there "
        "(glibc starts programs without it, and complains; apk add so:gone.so)"
    )
