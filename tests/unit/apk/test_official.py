"""The official root filesystems, read in place: what is known of them, and that every architecture has the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from pytest_alpine.apk.database import read_arch, read_installed, read_repositories, read_world
from tests.support.mirror import TARBALLS, opened, tarball_id

if TYPE_CHECKING:
    from pathlib import Path

# Branch: packages, musl, apk-tools, busybox, files that packages have on x86_64.
KNOWN: Final = {
    "v3.13": (14, "1.2.2-r1", "2.12.7-r0", "1.32.1-r9"),
    "v3.19": (15, "1.2.4_git20230717-r4", "2.14.4-r0", "1.36.1-r19"),
    "v3.20": (14, "1.2.5-r0", "2.14.4-r0", "1.36.1-r29"),
    "edge": (14, "1.2.5-r3", "2.14.4-r3", "1.36.1-r32"),
}
# Bytes, summed over the packages of x86_64.
INSTALLED_SIZES: Final = {"v3.13": 6483968, "v3.19": 8273920, "v3.20": 8642560, "edge": 8663040}
# What the builders of the images change behind apk's back: root's password is locked.
CHANGED: Final = {"/etc/shadow"}

pytestmark = [pytest.mark.official, pytest.mark.skipif(not TARBALLS, reason="needs the official root filesystems")]


@pytest.fixture(params=TARBALLS, ids=tarball_id)
def tarball(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_packages(tarball: Path) -> None:
    branch, arch = tarball_id(tarball).split("-")
    packages = read_installed(opened(tarball))
    versions = tuple(str(packages[name].version) for name in ("musl", "apk-tools", "busybox"))
    if branch in KNOWN:
        assert (len(packages), *versions) == KNOWN[branch]
    assert all(package.version.is_valid for package in packages.values())
    assert {package.arch for package in packages.values()} == {arch} == {read_arch(opened(tarball))}
    assert packages.satisfy(f"so:libc.musl-{arch}.so.1")


def test_every_architecture_has_the_same_packages() -> None:
    branches: dict[str, set[tuple[str, ...]]] = {}
    for tarball in TARBALLS:
        branch = tarball_id(tarball).split("-")[0]
        branches.setdefault(branch, set()).add(tuple(map(str, read_installed(opened(tarball)).values())))
    assert {branch: len(found) for branch, found in branches.items()} == dict.fromkeys(branches, 1)


@pytest.mark.parametrize("branch", INSTALLED_SIZES)
def test_installed_sizes(branch: str) -> None:
    for tarball in TARBALLS:
        if tarball_id(tarball) == f"{branch}-x86_64":
            packages = read_installed(opened(tarball)).values()
            assert sum(package.installed_size for package in packages) == INSTALLED_SIZES[branch]


def test_world_is_met_by_what_is_installed(tarball: Path) -> None:
    packages = read_installed(opened(tarball))
    world = read_world(opened(tarball))
    assert [str(constraint) for constraint in world] == [
        "alpine-baselayout",
        "alpine-keys",
        "apk-tools",
        "busybox",
        "libc-utils",
    ]
    assert all(packages.satisfy(constraint) for constraint in world)
    for package in packages.values():
        assert [str(need) for need in (*package.depends, *package.install_if) if not packages.satisfy(need)] == []


def test_repositories(tarball: Path) -> None:
    branch = tarball_id(tarball).split("-")[0]
    found = [(repository.branch, repository.component) for repository in read_repositories(opened(tarball))]
    assert found == [(branch, "main"), (branch, "community")]


def test_files_are_there_and_have_their_digests(tarball: Path) -> None:
    rootfs = opened(tarball)
    packages = read_installed(rootfs)
    for package in packages.values():
        for file in package.files:
            entry = rootfs.lstat(file.path)
            assert entry is not None, file.path
            assert packages.owner(file.path) is package
            assert (entry.uid, entry.gid, entry.mode) == (file.uid, file.gid, file.mode), file.path
            data = entry.target.encode() if entry.kind == "symlink" else rootfs.read(file.path)
            assert file.digest is not None, file.path
            assert file.digest.matches(data) is (file.path not in CHANGED), file.path


def test_directories_are_as_recorded(tarball: Path) -> None:
    rootfs = opened(tarball)
    for package in read_installed(rootfs).values():
        for directory in package.directories:
            # The tarballs leave out what stands in /dev, and give /proc the mode it has once mounted.
            if re.match(r"/(dev/|proc$)", directory.path):
                continue
            entry = rootfs.stat(directory.path)
            assert (entry.kind, entry.mode) == ("directory", directory.mode), directory.path
