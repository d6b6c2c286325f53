"""Folders laid out as an Alpine mirror, read and written."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.bed import mirror
from tests.bed.platforms import ARCHES
from tests.bed.state import BedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_releases_have_the_tags_of_official_images(small_mirror: Path) -> None:
    assert {release.branch: release.tags for release in mirror.releases(small_mirror)} == {
        "edge": ("edge", "20240923"),
        "v3.13": ("3.13", "3.13.12"),
        "v3.19": ("3.19", "3.19.4"),
        "v3.20": ("3.20", "3.20.3", "3", "latest"),
    }


def test_latest_stable_may_be_a_link(small_mirror: Path) -> None:
    (small_mirror / mirror.LATEST).unlink()
    (small_mirror / mirror.LATEST).symlink_to("v3.19")
    tags = {release.branch: release.tags for release in mirror.releases(small_mirror)}
    assert tags["v3.19"] == ("3.19", "3.19.4", "3", "latest")
    assert set(tags) == {"edge", "v3.13", "v3.19", "v3.20"}


def test_a_mirror_of_the_known_releases_is_used_in_place(bed: Path, small_mirror: Path) -> None:
    (small_mirror / mirror.LATEST).unlink()
    (small_mirror / mirror.LATEST).symlink_to(mirror.KNOWN_LATEST)
    assert mirror.known_alone(small_mirror) == small_mirror
    assert not bed.exists()
    # The link is no other branch.
    assert len(mirror.known_tarballs(small_mirror)) == 2 + 2 + 3 + 3


def _add_branch(root: Path) -> None:
    newer = mirror.Known(branch="v3.22", tag="3.22.1", version="3.22.1", date="2025-07-15", arches=frozenset())
    mirror.add(root, newer, ARCHES["x86_64"], b"not read")


def _add_point_release(root: Path) -> None:
    newer = mirror.Known(branch="v3.20", tag="3.20.9", version="3.20.9", date="2026-01-01", arches=frozenset())
    mirror.add(root, newer, ARCHES["x86_64"], b"not read")


def _move_latest(root: Path) -> None:
    (root / mirror.LATEST).write_text("v3.22\n")


@pytest.mark.parametrize("grow", [_add_branch, _add_point_release, _move_latest])
def test_newer_releases_of_a_mirror_are_left_out(bed: Path, small_mirror: Path, grow: Callable[[Path], None]) -> None:
    usual = mirror.releases(small_mirror)
    grow(small_mirror)
    narrowed = mirror.known_alone(small_mirror)
    assert narrowed.parent == bed
    assert [replace(release, rootfs=()) for release in mirror.releases(narrowed)] == [
        replace(release, rootfs=()) for release in usual
    ]
    tarballs = mirror.known_tarballs(narrowed)
    assert [path.readlink() for path in tarballs] == mirror.known_tarballs(small_mirror)
    assert mirror.known_alone(small_mirror) == narrowed
    assert not list(bed.glob(".*"))


def test_a_release_lists_what_the_mirror_has(small_mirror: Path) -> None:
    found = {release.branch: release.rootfs for release in mirror.releases(small_mirror)}
    assert [item.arch.platform for item in found["v3.19"]] == ["linux/amd64", "linux/arm/v6"]
    assert [item.arch.platform for item in found["v3.20"]] == ["linux/amd64", "linux/arm/v6", "linux/riscv64"]
    for item in found["v3.20"]:
        data = item.path.read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (item.size, item.sha256)
        sums = item.path.with_name(f"{item.path.name}.sha512").read_text()
        assert sums == f"{hashlib.sha512(data).hexdigest()}  {item.path.name}\n"
        assert (item.version, item.created) == ("3.20.3", "2024-09-06T00:00:00Z")


def test_a_folder_without_releases_is_no_mirror(tmp_path: Path) -> None:
    with pytest.raises(BedError) as caught:
        mirror.releases(tmp_path)
    assert str(caught.value) == f"{tmp_path} is no Alpine mirror: it holds no BRANCH/releases folder"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- flavor: alpine-standard\n", "StopIteration()"),
        ("- version: 3.20.3\n", "KeyError('flavor')"),
        ("", "TypeError(\"'NoneType' object is not iterable\")"),
    ],
    ids=["another-flavor", "no-flavor", "empty"],
)
def test_an_unusable_entry_is_named(small_mirror: Path, text: str, reason: str) -> None:
    file = small_mirror / "v3.20" / "releases" / "x86_64" / "latest-releases.yaml"
    file.write_text(text)
    with pytest.raises(BedError) as caught:
        mirror.releases(small_mirror)
    assert str(caught.value) == f"{file}: no usable entry of flavor alpine-minirootfs: {reason}"
