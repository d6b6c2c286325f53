from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_musl, find_musl
from tests.support.elf import glibc_loader
from tests.support.images import File, Symlink
from tests.unit.checks.conftest import Build, message_lines, program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_alpine import Image
    from tests.support.images import Node

GLIBC = "lib/ld-linux-x86-64.so.2"
VERSIONS = {"libc.so.6": ("GLIBC_2.2.5", "GLIBC_2.34"), "ld-linux-x86-64.so.2": ("GLIBC_PRIVATE",)}
APP = program(interpreter=f"/{GLIBC}", needed=("libc.so.6",), versions=VERSIONS)
REAL = "usr/glibc-compat/lib/ld-2.35.so"
STUB = program(interpreter=None, needed=(), payload=b"/lib/ld-musl-x86_64.so.1\0libgcompat.so.0\0")
NEEDS = "expected a file built for musl, found one built for glibc, which needs GLIBC_2.34"
COMPAT = f"(/{GLIBC} is not glibc's: it is the loader of gcompat or libc6-compat)"


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"srv/app": APP}, [f"/srv/app (no package): {NEEDS}"]),
        (
            {"srv/a": APP, "bin/busybox": program(versions=VERSIONS, payload=bytes(5000))},
            [f"/bin/busybox (busybox-1.36.1-r29): {NEEDS}", f"/srv/a (no package): {NEEDS}"],
        ),
        ({"srv/app": APP, GLIBC: STUB}, [f"/srv/app (no package): {NEEDS} {COMPAT}"]),
        ({GLIBC: STUB}, []),
        ({GLIBC: Symlink("ld-musl-x86_64.so.1")}, []),
        (
            {REAL: File(glibc_loader(), mode=0o755), GLIBC: Symlink(f"/{REAL}")},
            [f"/{GLIBC}: expected no glibc beside musl, found its loader, /{REAL} (no package)"],
        ),
        (
            {"lib/ld-musl-x86_64.so.1": None, GLIBC: STUB},
            [
                ("libc: expected musl, with its loader /lib/ld-musl-x86_64.so.1, "
                f"found no C library: no loader of musl or glibc {COMPAT}")
            ],
        ),
    ],
    ids=["program", "largest-first", "with-gcompat", "gcompat", "libc6-compat", "glibc-beside", "gcompat-alone"],
)  # fmt: skip
def test_what_is_not_musl(build: Build, changes: Mapping[str, Node | None], problems: list[str]) -> None:
    image = build(changes)
    assert list(map(str, find_musl(image))) == problems
    if not problems:
        assert_musl(image)


def test_what_is_for_glibc_on_purpose(build: Build) -> None:
    image = build({"srv/app/prebuilds/glibc.node": APP, "srv/app/main": APP})
    assert [finding.subject for finding in find_musl(image, "*/prebuilds/*")] == ["/srv/app/main (no package)"]
    assert_musl(image, foreign=["*/prebuilds/*", "/srv/app/main"])


def test_a_glibc_system_does_not_bury_what_matters(build: Build) -> None:
    image = build({f"srv/{number}": APP for number in range(30)})
    assert len(find_musl(image)) == 30
    with pytest.raises(AssertionError) as caught:
        assert_musl(image)
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[-2]) == (22, "and 10 more of the kind (find_musl returns all)")


def test_the_whole_message(broken: Image) -> None:
    assert message_lines(broken, assert_musl) == [f"/usr/local/bin/app (no package): {NEEDS}"]
