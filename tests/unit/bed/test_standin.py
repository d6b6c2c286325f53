"""The stand-in: Debian's packages described in apk's words."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.bed import apkdb, debian, mirror, standin
from tests.bed.state import BedError
from tests.bed.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

NEEDS_DPKG = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is part of Debian")
CONTROL = """\
Package: busybox-static
Source: busybox (1:1.35.0-4)
Version: 1:1.35.0-4+b1
Architecture: amd64
Maintainer: Some One <one@example.org>
Homepage: https://example.org
Provides: busybox, shell (= 1)
Description: a shell
 and more about it
"""


@pytest.fixture
def deb(tmp_path: Path) -> debian.Deb:
    """A package with a program, a link and a folder of unusual mode."""
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(CONTROL)
    (tree / "bin").mkdir()
    (tree / "bin" / "busybox").write_text("#!/bin/sh\nprintf 'bin/ash\\nusr/bin/awk\\n'\n")
    (tree / "bin" / "busybox").chmod(0o755)
    (tree / "bin" / "link").symlink_to("busybox")
    (tree / "srv" / "empty").mkdir(parents=True)
    (tree / "srv" / "empty").chmod(0o700)
    (tree / "srv" / "note").write_text("x")
    (tree / "srv" / "note").chmod(0o644)
    path = tmp_path / "busybox-static_1_amd64.deb"
    command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return debian._deb(path)


def _sha1(data: bytes) -> str:
    return "Q1" + base64.b64encode(hashlib.sha1(data).digest()).decode()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("1:1.35.0-4+deb12u1+b1", "1.35.0-r4"),
        ("1.2.3-1", "1.2.3-r1"),
        ("1.2.5+dfsg-12", "1.2.5-r12"),
        ("1:1.38.0~rc1-3+b1", "1.38.0-r3"),
        ("1.2.3-0.1", "1.2.3-r0"),
    ],
    ids=["epoch-and-rebuild", "plain", "repacked", "release-candidate", "not-the-maintainer's"],
)
def test_a_debian_version_in_apks_grammar(theirs: str, ours: str) -> None:
    assert apkdb.version(theirs) == ours


@NEEDS_DPKG
def test_the_database_describes_the_package(deb: debian.Deb) -> None:
    lines = apkdb.installed((deb,), "x86_64").splitlines()
    program = b"#!/bin/sh\nprintf 'bin/ash\\nusr/bin/awk\\n'\n"
    assert lines[0].startswith("C:Q1")
    assert lines[1:11] == [
        "P:busybox-static",
        "V:1.35.0-r4",
        "A:x86_64",
        f"S:{deb.path.stat().st_size}",
        f"I:{len(program) + 1}",
        "T:a shell",
        "U:https://example.org",
        "L:GPL-2.0-only",
        "o:busybox",
        "m:Some One <one@example.org>",
    ]
    assert lines[12:] == [
        "p:busybox shell",
        "F:bin",
        "R:busybox",
        "a:0:0:755",
        f"Z:{_sha1(program)}",
        "R:link",
        "a:0:0:777",
        f"Z:{_sha1(b'busybox')}",
        "F:srv",
        "R:note",
        f"Z:{_sha1(b'x')}",
        "F:srv/empty",
        "M:0:0:700",
        "",
    ]


@NEEDS_DPKG
def test_the_tree_has_the_links_the_program_asks_for(deb: debian.Deb) -> None:
    with tarfile.open(fileobj=io.BytesIO(standin.busybox_tree([deb]).tar())) as tar:
        links = {member.name: member.linkname for member in tar if member.issym()}
        modes = {member.name: member.mode for member in tar if member.isdir()}
    assert links == {"bin/ash": "/bin/busybox", "bin/link": "busybox", "usr/bin/awk": "/bin/busybox"}
    assert (modes["tmp"], modes["srv/empty"], modes["usr/bin"]) == (0o1777, 0o700, 0o755)


def test_a_release_says_that_it_is_a_stand_in() -> None:
    assert [standin._os_release(release).splitlines()[3] for release in mirror.KNOWN] == [
        'PRETTY_NAME="Alpine Linux stand-in edge"',
        'PRETTY_NAME="Alpine Linux stand-in v3.20"',
        'PRETTY_NAME="Alpine Linux stand-in v3.19"',
        'PRETTY_NAME="Alpine Linux stand-in v3.13"',
    ]


def test_a_tree_keeps_what_is_there() -> None:
    tree = Tree(mtime=0)
    tree.file("etc/motd", "hello")
    tree.link("etc/motd", "/elsewhere")
    with tarfile.open(fileobj=io.BytesIO(tree.tar())) as tar:
        assert [(member.name, member.type, member.size) for member in tar] == [
            ("etc", tarfile.DIRTYPE, 0),
            ("etc/motd", tarfile.REGTYPE, 5),
        ]


def test_without_a_mirror_of_debian_the_text_says_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "site", lambda: None)
    monkeypatch.setattr(debian, "codename", lambda: "bookworm")
    with pytest.raises(BedError) as caught:
        debian.download(["musl"], ["amd64"], tmp_path)
    assert str(caught.value) == ("apt's sources name no mirror of Debian's bookworm; see apt-get update --print-uris")
