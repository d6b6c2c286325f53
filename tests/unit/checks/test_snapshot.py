"""All checks give one answer to the question whose file this is, whatever links lead to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import (
    compare,
    find_clean,
    find_musl,
    find_platform,
    find_regressions,
    find_runnable,
    sizes_by_package,
)
from pytest_alpine.checks.snapshot import open_snapshot
from tests.support.alpine import DATABASE, GOOD, built, package
from tests.support.elf import elf_for
from tests.support.images import Directory, File, Node, Symlink

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_alpine import Finding

CONTENTS = {
    "glibc": bytes(elf_for("linux/amd64", versions={"libc.so.6": ("GLIBC_2.34",)})),
    "other": bytes(elf_for("linux/arm64")),
    "needs": bytes(elf_for("linux/amd64", needed=("libnone.so.1",))),
}
"""A program for another C library, one for another machine, and one whose library is missing."""

LINKS: dict[str, tuple[dict[str, Node], str, str]] = {
    "var-run": ({"var/run": Symlink("/run")}, "var/run/svc", "run/svc"),
    "merged-usr": ({"lib": Symlink("usr/lib")}, "lib/svc", "usr/lib/svc"),
    "chain": ({"a": Symlink("b"), "b": Symlink("c"), "c/d": Symlink("../srv")}, "a/d/svc", "srv/svc"),
    "absolute": ({"opt/svc": Symlink("/srv/deep/svc")}, "opt/svc/bin", "srv/deep/svc/bin"),
    "above-the-root": ({"opt/svc": Symlink("../../../srv")}, "opt/svc/bin", "srv/bin"),
    "none": ({"run": Directory()}, "run/svc", "run/svc"),
}
"""By id: the links, the folder of the files as the database has it, and where they are."""


def members(links: Mapping[str, Node], recorded: str, real: str) -> dict[str, Node]:
    """Return the files of a good image to which a package has brought programs, one of them setuid."""
    merged = "lib" in links
    base = {f"usr/{name}" if merged and name.startswith("lib/") else name: node for name, node in GOOD.items()}
    svc = package("svc", files={f"{recorded}/{name}": content for name, content in CONTENTS.items()})
    files: dict[str, Node] = {
        f"{real}/{name}": File(content, mode=0o4755 if name == "needs" else 0o755) for name, content in CONTENTS.items()
    }
    return {**base, **links, **files, "usr/lib/apk/db/installed" if merged else "lib/apk/db/installed": DATABASE + svc}


def subjects(found: Iterable[Finding]) -> list[str]:
    return [finding.subject for finding in found]


@pytest.mark.parametrize(("links", "recorded", "real"), LINKS.values(), ids=LINKS)
def test_every_check_names_the_same_owner(links: dict[str, Node], recorded: str, real: str, tmp_path: Path) -> None:
    image = built(tmp_path, members(links, recorded, real))
    with open_snapshot(image) as snapshot:
        for folder in (real, recorded):
            assert {snapshot.owner_text(f"/{folder}/{name}") for name in CONTENTS} == {"package svc"}
    assert sizes_by_package(image)["svc"] == sum(map(len, CONTENTS.values()))
    assert f"/{real}/glibc (svc-1.0-r0)" in subjects(find_musl(image))
    assert f"/{real}/other (svc-1.0-r0)" in subjects(find_platform(image))
    assert f"/{real}/needs (svc-1.0-r0)" in subjects(find_runnable(image))
    assert find_clean(image, ["unowned-elf", "package-files"]) == ()
    (setuid,) = find_clean(image, "setuid")
    assert setuid.actual.endswith(", package svc")


@pytest.mark.parametrize(("links", "recorded", "real"), LINKS.values(), ids=LINKS)
def test_comparisons_name_the_same_owner(links: dict[str, Node], recorded: str, real: str, tmp_path: Path) -> None:
    old = members(links, recorded, real)
    changed = File(bytes(elf_for("linux/amd64", needed=("libz.so.1",), payload=b"longer")), mode=0o755)
    before, after = built(tmp_path, old, name="old"), built(tmp_path, old | {f"{real}/needs": changed}, name="new")
    found = compare(before, after)
    assert {(change.area, change.name, change.package) for change in found.changes} == {
        ("file", f"/{real}/needs", "svc"),
        ("elf", f"/{real}/needs", "svc"),
    }
    assert found.by_package.keys() == {"svc"}


def test_a_command_that_is_gone_is_told_once_with_its_owner(tmp_path: Path) -> None:
    links: dict[str, Node] = {"bin": Symlink("usr/bin"), "sbin": Symlink("usr/bin"), "usr/sbin": Symlink("bin")}
    merged = {f"usr/{name}" if name.startswith("bin/") else name: node for name, node in GOOD.items()}
    database = DATABASE + package("tool", files={"bin/tool": b"#!"})
    new: dict[str, Node] = {**merged, **links, "lib/apk/db/installed": database}
    old = built(tmp_path, new | {"usr/bin/tool": File(b"#!", mode=0o755)}, name="old")
    found = find_regressions(old, built(tmp_path, new, name="new"), ignore="clean")
    assert list(map(str, found)) == [
        "command /usr/bin/tool: expected there, as before, found nothing (of package tool)"
    ]
