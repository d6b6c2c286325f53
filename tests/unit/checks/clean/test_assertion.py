from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from pytest_alpine import (
    Finding,
    InvalidRule,
    Rule,
    assert_clean,
    find_clean,
    open_image,
    published_platforms,
)
from pytest_alpine.errors import DatabaseError
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from tests.support.alpine import GOOD, built
from tests.support.images import File
from tests.support.mirror import MIRROR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_alpine.checks.snapshot import Snapshot

TODAY = date(2026, 11, 5)


def test_base_is_smaller_than_application(tmp_path: Path) -> None:
    bad = built(tmp_path, GOOD, config={})
    assert find_clean(bad, today=TODAY) == ()
    assert [finding.check for finding in find_clean(bad, "application", today=TODAY)] == [
        "clean:default-user",
        "clean:health-check",
    ]


def test_a_good_image_is_clean(tmp_path: Path) -> None:
    assert_clean(built(tmp_path, GOOD), "application", today=TODAY)


def test_the_message_tells_rules_reasons_and_the_way_out(tmp_path: Path) -> None:
    bad = built(tmp_path, GOOD | {"tmp/x": "1", "srv/file": File(b"", mode=0o666)})
    with pytest.raises(AssertionError) as caught:
        assert_clean(bad)
    lines = str(caught.value).splitlines()
    assert lines[:-1] == [
        "/tmp/x: expected nothing left, found a file of 1 B (in the step that creates it: rm -rf /tmp/x)",
        (
            "  rule temporary-files: what a build left in /tmp is dead weight, and may be in the way of the program "
            "or hold its secrets"
        ),
        "/srv/file: expected not writable by everybody, found a file of mode 0666",
        "  rule world-writable: where everybody may write, any process can change what others run or read",
        "if this is intended, allow it: except_=('temporary-files:/tmp/x',)",
    ]
    assert lines[-1].startswith(f"in oci:{tmp_path}/layout:1 (linux/amd64, sha256:")
    assert_clean(bad, except_=("world-writable:/srv/*", "temporary-files"))


def test_a_rule_broken_often_is_told_in_short(tmp_path: Path) -> None:
    bad = built(tmp_path, GOOD | {f"tmp/{number}": "" for number in range(100)})
    with pytest.raises(AssertionError, match="\nand 80 more\n  rule temporary-files: "):
        assert_clean(bad)
    assert len(find_clean(bad)) == 100


def test_names_are_checked(tmp_path: Path) -> None:
    good = built(tmp_path, GOOD)
    with pytest.raises(InvalidRule, match="unknown rule: 'setuids' \\(expected one of application, base, apk-cache, "):
        assert_clean(good, ["base", "setuids"])
    with pytest.raises(InvalidRule, match="unknown rule: '/bin/su' "):
        assert_clean(good, except_="/bin/su")


def test_rules_of_ones_own(tmp_path: Path) -> None:
    def find(snapshot: Snapshot) -> Iterator[Finding]:
        if "/etc/motd" in snapshot.entries:
            yield own.finding("/etc/motd", expected="no greeting", actual="one")

    own = Rule(name="no-motd", reason="nobody reads it", sets=frozenset(), find=find)
    good = built(tmp_path, GOOD)
    with pytest.raises(
        AssertionError, match="/etc/motd: expected no greeting, found one\n  rule no-motd: nobody reads it"
    ):
        assert_clean(good, ["base", own])
    assert_clean(good, ["base", own], except_="no-motd:/etc/*")


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="no apk database"):
        assert_clean(built(tmp_path, {"app": "1"}))


@pytest.mark.official
@pytest.mark.parametrize(("tag", "platforms"), [("edge", 9), ("3.20", 8), ("3.19", 7), ("3.13", 7)])
def test_stock_images_are_clean(tag: str, platforms: int, tmp_path: Path) -> None:
    reference = f"minirootfs:{MIRROR}:{tag}"
    published = published_platforms(reference)
    assert len(published) == platforms
    found = {
        str(platform): [str(finding) for finding in find_clean(stock, ["base", "unneeded-packages", "build-tools"])]
        for platform in published
        for stock in [open_image(reference, platform, access=Access(Store(tmp_path)))]
    }
    right: dict[str, list[str]] = {platform: [] for platform in found}
    if tag == "edge":
        right["linux/amd64"] = [
            "/etc/shadow: expected a group of /etc/group, found group 148, which is not there (group shadow is 42)"
        ]
    assert found == right
