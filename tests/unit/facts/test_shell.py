from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.facts.shell import Shell, read_shell, read_shells
from tests.support.elf import Elf, elf_for
from tests.support.rootfs import rootfs_of
from tests.support.tars import Device, Directory, File, HardLink, Symlink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.tars import Node


def program(texts: bytes = b"", elf: Elf | None = None) -> File:
    """Return a program with *texts* among its data, as shells have them."""
    payload = b"\0" + texts + b"\0"
    return File(bytes(elf_for("linux/amd64", payload=payload) if elf is None else elf) + payload, mode=0o755)


BUSYBOX = program(b"BusyBox v1.36.1 (2024-06-10 07:11:47 UTC)\0[\0ash\0bash-like\0sh\0sh: turning off NDELAY mode")
HUSH = program(b"BusyBox v1.36.1 ()\0cat\0hush\0sh")
DASH = program(b"sh: turning off NDELAY mode")
BASH = program(b"GNU bash, version %s (%s)\n\0ZSH_VERSION is not ours, but a script asks for it")
STATIC = Elf(type=2)


def test_alpine(tmp_path: Path) -> None:
    files: dict[str, Node] = {
        "bin/busybox": BUSYBOX,
        "bin/sh": Symlink("/bin/busybox"),
        "bin/ash": Symlink("/bin/busybox"),
        "etc/shells": "# valid login shells\n/bin/sh\n/bin/ash\n",
    }
    rootfs = rootfs_of(tmp_path, files)
    assert read_shell(rootfs) == Shell(path="/bin/sh", real="/bin/busybox", kind="ash")
    assert read_shells(rootfs) == (
        Shell(path="/bin/sh", real="/bin/busybox", kind="ash"),
        Shell(path="/bin/ash", real="/bin/busybox", kind="ash"),
    )


SH: list[tuple[str, dict[str, Node], tuple[str, str]]] = [
    ("copied-busybox", {"bin/sh": BUSYBOX}, ("/bin/sh", "ash")),
    ("hard-linked-busybox", {"bin/busybox": BUSYBOX, "bin/sh": HardLink("bin/busybox")}, ("/bin/sh", "ash")),
    ("static-busybox", {"bin/sh": program(b"BusyBox v1.35.0 (Debian)\0ash\0", STATIC)}, ("/bin/sh", "ash")),
    ("busybox-of-another-name", {"opt/x": BUSYBOX, "bin/sh": Symlink("../opt/x")}, ("/opt/x", "ash")),
    ("busybox-named-bash", {"bin/bash": BUSYBOX, "bin/sh": Symlink("bash")}, ("/bin/bash", "ash")),
    ("hush-only", {"bin/busybox": HUSH, "bin/sh": Symlink("busybox")}, ("/bin/busybox", "hush")),
    ("bash", {"bin/bash": BASH, "bin/sh": Symlink("bash")}, ("/bin/bash", "bash")),
    ("copied-bash", {"bin/sh": BASH}, ("/bin/sh", "bash")),
    ("bash-named-ash", {"bin/ash": BASH, "bin/sh": Symlink("ash")}, ("/bin/ash", "bash")),
    ("copied-dash", {"bin/sh": DASH}, ("/bin/sh", "dash")),
    ("zsh", {"bin/sh": program(b"ZSH_VERSION")}, ("/bin/sh", "zsh")),
    ("mksh", {"bin/sh": program(b"KSH_VERSION=@(#)MIRBSD KSH R59 2023/04/29")}, ("/bin/sh", "mksh")),
    ("lksh", {"bin/sh": program(b"KSH_VERSION=@(#)LEGACY KSH R59 2023/04/29")}, ("/bin/sh", "mksh")),
    ("loksh", {"bin/sh": program(b"@(#)PD KSH v5.2.14 99/07/13.2")}, ("/bin/sh", "ksh")),
    ("ksh93", {"bin/sh": program(b"@(#)$Id: Version AJM 93u+m/1.0.4 2022-10-22 $")}, ("/bin/sh", "ksh")),
    ("yash", {"bin/sh": program(b"Yet another shell, version %s")}, ("/bin/sh", "yash")),
    ("fish", {"bin/sh": program(b"fish, version")}, ("/bin/sh", "fish")),
    ("toybox", {"bin/sh": program(b"Toybox %s multicall binary%s")}, ("/bin/sh", "toybox")),
    ("packed-known-by-name", {"bin/dash": program(), "bin/sh": Symlink("dash")}, ("/bin/dash", "dash")),
    ("packed-busybox", {"bin/busybox": program(), "bin/sh": Symlink("busybox")}, ("/bin/busybox", "ash")),
    ("unknown", {"bin/sh": program(b"my own shell")}, ("/bin/sh", "other")),
    ("script", {"bin/sh": File(b"#!/bin/bash\n# BusyBox v1 GNU bash, version\n", mode=0o755)}, ("/bin/sh", "other")),
    ("empty-file-of-a-shell's-name", {"bin/bash": File(b""), "bin/sh": Symlink("bash")}, ("/bin/bash", "other")),
    ("usr-merged", {"usr/bin/busybox": BUSYBOX, "bin": Symlink("usr/bin"), "usr/bin/sh": Symlink("/bin/busybox")},
     ("/usr/bin/busybox", "ash")),
]  # fmt: skip


@pytest.mark.parametrize(("files", "expected"), [row[1:] for row in SH], ids=[row[0] for row in SH])
def test_what_stands_behind_sh(tmp_path: Path, files: Mapping[str, Node], expected: tuple[str, str]) -> None:
    shell = read_shell(rootfs_of(tmp_path, files))
    assert shell is not None
    assert shell.path == "/bin/sh"
    assert (shell.real, shell.kind) == expected


NOTHING: list[tuple[str, dict[str, Node]]] = [
    ("empty", {}),
    ("dangling", {"bin/sh": Symlink("/bin/busybox")}),
    ("loop", {"bin/sh": Symlink("sh")}),
    ("folder", {"bin/sh/": Directory()}),
    ("device", {"bin/sh": Device()}),
    ("elsewhere", {"usr/bin/sh": BUSYBOX}),
]


@pytest.mark.parametrize("files", [row[1] for row in NOTHING], ids=[row[0] for row in NOTHING])
def test_no_shell(tmp_path: Path, files: Mapping[str, Node]) -> None:
    assert read_shell(rootfs_of(tmp_path, files)) is None


def test_shells_of_the_list_first_then_the_usual_places_each_once(tmp_path: Path) -> None:
    rootfs = rootfs_of(
        tmp_path,
        {
            "bin/busybox": BUSYBOX,
            "bin/sh": Symlink("busybox"),
            "bin/hush": Symlink("busybox"),
            "opt/dash": DASH,
            "usr/bin/bash": BASH,
            "usr/local/bin/bash": Symlink("/usr/bin/bash"),
            "bin/zsh": Symlink("/missing"),
            "etc/shells": "# x\n\n/opt/dash # mine\n/bin/sh\n/bin/sh\n/bin/zsh\nbin/relative\n/etc\n/bin/missing\n",
        },
    )
    assert [(shell.path, shell.real, shell.kind) for shell in read_shells(rootfs)] == [
        ("/opt/dash", "/opt/dash", "dash"),
        ("/bin/sh", "/bin/busybox", "ash"),
        ("/bin/hush", "/bin/busybox", "hush"),
        ("/usr/bin/bash", "/usr/bin/bash", "bash"),
        ("/usr/local/bin/bash", "/usr/bin/bash", "bash"),
    ]


def test_shells_without_a_list(tmp_path: Path) -> None:
    assert [shell.kind for shell in read_shells(rootfs_of(tmp_path, {"usr/bin/fish": program(b"fish, version")}))] == [
        "fish"
    ]


def test_merged_folders_give_one_name(tmp_path: Path) -> None:
    files: dict[str, Node] = {
        "bin": Symlink("usr/bin"),
        "usr/bin/bash": BASH,
        "etc/shells": "/usr/bin/bash\n/bin/bash\n",
    }
    assert [shell.path for shell in read_shells(rootfs_of(tmp_path, files))] == ["/usr/bin/bash"]


@pytest.mark.parametrize(
    "shells", [b"\xff\xfe\0/bin/sh", b"/" * 9000, b"/\0\n/../../bin/sh\n"], ids=["bytes", "long", "up"]
)
def test_any_list_of_shells(tmp_path: Path, shells: bytes) -> None:
    found = read_shells(rootfs_of(tmp_path, {"etc/shells": shells, "bin/sh": BUSYBOX}))
    assert [shell.kind for shell in found] == ["ash"]


def hosts_shells() -> list[Path]:
    places = [Path(f"/bin/{name}") for name in ("bash", "dash", "zsh", "mksh", "ksh93", "yash", "fish", "busybox")]
    return [place for place in places if place.is_file()]


@pytest.mark.parametrize("place", hosts_shells(), ids=str)
def test_real_shells_are_known_under_any_name(tmp_path: Path, place: Path) -> None:
    shell = read_shell(rootfs_of(tmp_path, {"bin/sh": File(place.read_bytes(), mode=0o755)}))
    assert shell is not None
    assert shell.kind == {"busybox": "ash", "ksh93": "ksh"}.get(place.name, place.name)
