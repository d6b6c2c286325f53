from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_installed, find_installed
from pytest_alpine.errors import DatabaseError, InvalidConstraint
from tests.support.alpine import GOOD, built, package

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.images import Node

DATABASE = """\
P:musl
V:1.2.5-r0
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1

P:busybox
V:1.36.1-r29
p:cmd:sh=1.36.1-r29 /bin/sh
F:bin
R:busybox

"""

BASE: dict[str, Node] = {"lib/apk/db/installed": DATABASE}


def test_installed_tells_every_problem_at_once(tmp_path: Path) -> None:
    image = built(tmp_path, BASE)
    assert_installed(image, "musl", "musl>=1.2", "busybox~1.36", "so:libc.musl-x86_64.so.1", "!bash", "cmd:sh")
    with pytest.raises(AssertionError) as caught:
        assert_installed(image, "musl>=1.3", "bussybox", "!cmd:sh", "!musl", "musl")
    lines = str(caught.value).splitlines()
    assert lines[-1].startswith(f"in oci:{tmp_path}/layout:1 (linux/amd64, sha256:")
    assert lines[:-1] == [
        "musl>=1.3: expected installed, found musl 1.2.5-r0",
        "bussybox: expected installed, found nothing (nearest: busybox)",
        "!cmd:sh: expected absent, found busybox 1.36.1-r29 (which provides cmd:sh=1.36.1-r29)",
        "!musl: expected absent, found musl 1.2.5-r0",
    ]


def test_findings_are_data(tmp_path: Path) -> None:
    (finding,) = find_installed(built(tmp_path, BASE), "curl>=8")
    assert (finding.check, finding.subject, finding.expected, finding.actual) == (
        "installed",
        "curl>=8",
        "installed",
        "nothing",
    )


def test_installed_wants_a_constraint(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="no constraint is given"):
        assert_installed(built(tmp_path, BASE))
    with pytest.raises(InvalidConstraint, match="curl >= 8"):
        assert_installed(built(tmp_path, BASE), "curl >= 8")


def test_installed_without_a_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="lib/apk/db/installed"):
        assert_installed(built(tmp_path, {"etc/passwd": ""}), "musl")


def test_exactly_these_and_what_they_need(tmp_path: Path) -> None:
    database = (
        package("app", "D:so:libz.so.1 musl>=1.0")
        + package("zlib", "p:so:libz.so.1=1.3.1")
        + package("musl")
        + package("app-doc", "i:app docs")
        + package("docs")
        + package("app-openrc", "i:app")
        + package("curl")
    )
    image = built(tmp_path, GOOD | {"lib/apk/db/installed": database})
    assert_installed(image, "app", "docs", "curl", exactly=True)
    found = find_installed(image, "app", "nothing", exactly=True)
    assert [str(finding) for finding in found] == [
        "nothing: expected installed, found nothing",
        "app-doc: expected not installed, found version 1.0-r0 (none of the named packages needs it)",
        "docs: expected not installed, found version 1.0-r0 (none of the named packages needs it)",
        "curl: expected not installed, found version 1.0-r0 (none of the named packages needs it)",
    ]
