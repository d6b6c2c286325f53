"""What a user reads when a check of a whole image fails: all of it, word by word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_musl, assert_patched, assert_platform, assert_runnable
from tests.support.images import File
from tests.unit.checks.conftest import Build, program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_alpine import Image
    from tests.support.images import Node

OS_RELEASE = 'ID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"\n'
SECDB = {
    "distroversion": "v3.20",
    "packages": [
        {
            "pkg": {
                "name": "busybox",
                "secfixes": {"1.36.1-r30": ["CVE-2026-1111 CVE-2026-2111"], "0": ["CVE-2026-3111"]},
            }
        },
        {"pkg": {"name": "odd", "secfixes": {"1.x": ["CVE-2026-4111"]}}},
    ],
}


@pytest.fixture
def broken(build: Build) -> Image:
    """An image for arm64 in which a program is for another machine and another C library, and more is amiss."""
    foreign = program(
        "linux/amd64", interpreter="/lib64/ld-linux-x86-64.so.2", versions={"libc.so.6": ("GLIBC_2.34",)}, payload=b"x"
    )
    changes: dict[str, Node] = {
        "etc/os-release": OS_RELEASE,
        "usr/local/bin/app": foreign,
        "usr/local/bin/run": File(b"#!/bin/bash\n", mode=0o755),
        "usr/local/bin/tool": program("linux/arm64", needed=("libz.so.2", "libnone.so.1")),
    }
    return build(changes, platform="linux/arm64", config={"Cmd": ["serve"], "Env": ["PATH=/usr/local/bin:/bin"]})


MESSAGES: list[tuple[Callable[[Image, Path], None], list[str]]] = [
    (
        lambda image, _: assert_platform(image),
        ["/usr/local/bin/app (no package): expected linux/arm64, found linux/amd64"],
    ),
    (
        lambda image, _: assert_musl(image),
        [
            (
                "/usr/local/bin/app (no package): expected a file built for musl, "
                "found one built for glibc, which needs GLIBC_2.34"
            )
        ],
    ),
    (
        lambda image, _: assert_runnable(image),
        [
            (
                "CMD ['serve']: expected a program 'serve' on PATH, /usr/local/bin:/bin, found nothing there "
                "(apk add cmd:serve)"
            ),
            (
                "/usr/local/bin/run (no package): expected the interpreter /bin/bash, found nothing there "
                "(apk add cmd:bash)"
            ),
            "/usr/local/bin/app (no package): expected a program for linux/arm64, found one for linux/amd64",
            (
                "/usr/local/bin/tool (no package): expected library libz.so.2 in /lib:/usr/local/lib:/usr/lib, "
                "found nothing (there is /lib/libz.so.1 (zlib-1.3.1-r1); apk add so:libz.so.2)"
            ),
            (
                "/usr/local/bin/tool (no package): expected library libnone.so.1 in /lib:/usr/local/lib:/usr/lib, "
                "found nothing (apk add so:libnone.so.1)"
            ),
        ],
    ),
    (
        assert_patched,
        [
            "busybox: expected 1.36.1-r30 or later, found 1.36.1-r29 (fixes CVE-2026-2111, CVE-2026-1111)",
            (
                "not considered: 1 malformed entry, such as odd: invalid version: '1.x' (expected "
                "number{.number}[letter]{_suffix[number]}[~hash][-rnumber]; cannot read '.x')"
            ),
        ],
    ),
]


@pytest.mark.parametrize(("check", "lines"), MESSAGES, ids=["platform", "musl", "runnable", "patched"])
def test_the_whole_message(
    broken: Image, check: Callable[[Image, Path], None], lines: list[str], tmp_path: Path
) -> None:
    (tmp_path / "main.json").write_text(json.dumps(SECDB), encoding="utf-8")
    with pytest.raises(AssertionError) as caught:
        check(broken, tmp_path / "main.json")
    first, *rest = str(caught.value).splitlines()
    assert broken.digest
    assert first == f"oci:{tmp_path}/layout:1 (linux/arm64, {broken.digest[:19]}):"
    assert rest == [f"  {line}" for line in lines]
