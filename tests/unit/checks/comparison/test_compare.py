from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine import (
    InvalidIgnore,
    assert_no_regression,
    assert_same,
    compare,
    find_regressions,
    find_same,
    open_image,
    published_platforms,
    sizes_by_package,
)
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from pytest_alpine.sizes import format_size
from tests.support.alpine import CONFIG, DATABASE, GOOD, built, package
from tests.support.elf import Elf
from tests.support.images import File, Node, Symlink
from tests.support.mirror import MIRROR

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_alpine import Image


def pair(
    folder: Path, old: Mapping[str, Node], new: Mapping[str, Node], config: Mapping[str, Any] = CONFIG
) -> tuple[Image, Image]:
    """Return two images that share their base layer and differ in the second one."""
    return built(folder, GOOD, old, name="old"), built(folder, GOOD, new, config=config, name="new")


OLD: dict[str, Node] = {
    "lib/apk/db/installed": DATABASE
    + package("curl", version="8.5-r0")
    + package("gone")
    + package("down", version="2"),
    "etc/apk/world": "baselayout busybox curl gone down\n",
    "srv/data/a": b"a" * 10,
    "srv/data/b": b"b" * 10,
    "srv/link": Symlink("a"),
    "usr/local/bin/tool": File(b"#!/bin/sh\n", mode=0o755),
}
NEW: dict[str, Node] = {
    "lib/apk/db/installed": DATABASE
    + package("curl", version="8.10-r0", files={"usr/bin/curl": b"c" * 2000})
    + package("fresh")
    + package("down", version="1.9"),
    "etc/apk/world": "baselayout busybox curl down\n",
    "usr/bin/curl": File(b"c" * 2000, mode=0o755),
    "srv/data/a": b"A" * 10,
    "srv/data/c": b"c" * 30,
    "srv/link": Symlink("b"),
    "etc/motd": File(b"welcome\n", mode=0o600),
}


def test_packages_own_their_files_where_lib_is_a_link_into_usr(tmp_path: Path) -> None:
    merged: dict[str, Node] = {
        f"usr/{path}" if path.startswith(("bin/", "lib/")) else path: node for path, node in GOOD.items()
    }
    folders: dict[str, Node] = {"bin": Symlink("usr/bin"), "lib": Symlink("usr/lib")}
    old = built(tmp_path, merged | folders, name="old")
    new = built(tmp_path, merged | folders | {"usr/lib/ld-musl-x86_64.so.1": b"a larger musl"}, name="new")
    assert compare(old, new).by_package == {"musl": 9}
    assert {"busybox", "musl"} < sizes_by_package(new).keys()


def test_all_changes_as_data_and_as_a_table(tmp_path: Path) -> None:
    old, new = pair(tmp_path, OLD, NEW, CONFIG | {"User": "", "Env": ["PATH=/bin", "NEW=1"]})
    found = compare(old, new)
    assert [(change.name, change.kind, change.old, change.new, change.size) for change in found.of("package")] == [
        ("curl", "changed", "8.5-r0", "8.10-r0", 2000),
        ("down", "older", "2", "1.9", 0),
        ("fresh", "added", "", "1.0-r0", 0),
        ("gone", "removed", "1.0-r0", "", 0),
    ]
    assert found.by_package["curl"] == 2000
    assert found.by_folder["/usr/bin"] == 2000
    assert found.by_folder["/srv/data"] == 20
    assert found.sizes["rootfs"] == (old.size.rootfs, new.size.rootfs)
    lines = str(found).splitlines()
    assert lines[0] == f"{old} -> {new}"
    grown = new.size.rootfs - old.size.rootfs
    sizes = [format_size(image.size.rootfs) for image in (old, new)]
    assert f"  rootfs: {sizes[0]} -> {sizes[1]} ({grown:+d} bytes)" in lines
    database = len(str(NEW["lib/apk/db/installed"])) - len(str(OLD["lib/apk/db/installed"]))
    assert lines[lines.index("  config: 1 added, 1 removed, 1 changed") - 2 :][:2] == [
        f"  by package: curl +2.00 kB, (no package) {grown - 2000:+d} B",
        f"  by folder: /usr/bin +2.00 kB, /lib/apk +{database} B, /srv/data +20 B, /usr/local -10 B, /etc/apk -5 B",
    ]
    assert lines[lines.index("  config: 1 added, 1 removed, 1 changed") :] == [
        "  config: 1 added, 1 removed, 1 changed",
        "    env NEW: nothing -> 1",
        "    env PATH: /usr/local/bin:/usr/bin:/bin -> /bin",
        "    user: app -> nothing",
        "  package: 1 added, 1 removed, 1 older, 1 changed",
        "    curl: 8.5-r0 -> 8.10-r0 (+2.00 kB)",
        "    down: 2 -> 1.9",
        "    fresh: nothing -> 1.0-r0",
        "    gone: 1.0-r0 -> nothing",
        "  file: 3 added, 2 removed, 5 changed; 1 by the packages above",
        (
            f"    /lib/apk/db/installed: {len(str(OLD['lib/apk/db/installed']))} bytes -> "
            f"{len(str(NEW['lib/apk/db/installed']))} bytes (+{database} B)"
        ),
        "    /srv/data/c: nothing -> a file of 30 bytes, mode 0644, owner 0:0 (+30 B)",
        "    /srv/data/b: a file of 10 bytes, mode 0644, owner 0:0 -> nothing (-10 B)",
        "    /usr/local/bin/tool: a file of 10 bytes, mode 0755, owner 0:0 -> nothing (-10 B)",
        "    /etc/apk/world: 34 bytes -> 29 bytes (-5 B)",
        "    /etc/motd: a file of 8 bytes, mode 0644, owner 0:0 -> a file of 8 bytes, mode 0600, owner 0:0",
        "    /srv/data/a: contents -> other contents",
        "    /srv/link: a link to a -> a link to b",
        "    /usr/bin: nothing -> a directory, mode 0755, owner 0:0",
    ]


def test_of_many_folders_the_largest_are_told(tmp_path: Path) -> None:
    found = compare(*pair(tmp_path, {}, {f"srv/{number}/x": b"x" * 10**number for number in range(7)}))
    assert "  by package: (no package) +1.11 MB" in str(found).splitlines()
    assert (
        "  by folder: /srv/6 +1.00 MB, /srv/5 +100.00 kB, /srv/4 +10.00 kB, /srv/3 +1.00 kB, /srv/2 +100 B and 2 more"
        in str(found).splitlines()
    )


def test_an_image_is_the_same_as_itself(tmp_path: Path) -> None:
    image = built(tmp_path, GOOD)
    assert not compare(image, image)
    assert str(compare(image, image)) == f"{image} -> {image}\n  nothing differs"
    assert_same(image, image)
    assert_no_regression(image, image)


def test_what_may_differ(tmp_path: Path) -> None:
    old, new = pair(tmp_path, OLD, NEW)
    assert_same(old, new, ignore=["package", "file:/srv/*", "file:/usr/*", "file:/etc/*", "file:/lib/apk/*"])
    with pytest.raises(AssertionError) as caught:
        assert_same(old, new, ignore=["file", "package:[cdf]*"])
    assert str(caught.value).splitlines() == [
        "package gone: 1.0-r0 -> nothing",
        f"{old} -> {new}",
        "  package: 1 removed",
        "    gone: 1.0-r0 -> nothing",
    ]
    (finding,) = find_same(old, new, ignore=["file", "package:[cdf]*"])
    assert str(finding) == "package gone: expected 1.0-r0, found nothing"
    with pytest.raises(InvalidIgnore, match=r"nothing to ignore: '/srv/\*' \(expected one of release, libc, "):
        assert_same(old, new, ignore="/srv/*")


def test_two_platforms_differ_in_machine_code_by_nature(tmp_path: Path) -> None:
    def of(arch: str, code: bytes, **more: Node) -> dict[str, Node]:
        members = {name: node for name, node in GOOD.items() if "ld-musl" not in name}
        members["lib/apk/db/installed"] = DATABASE.replace("x86_64", arch)
        members[f"lib/ld-musl-{arch}.so.1"] = File(b"\x7fELF" + code, mode=0o755)
        members["usr/bin/ldd"] = f"#!/bin/sh\nexec /lib/ld-musl-{arch}.so.1 --list\n"
        members["etc/apk/arch"] = f"{arch}\n"
        return members | more

    one = built(tmp_path, of("x86_64", b"1"), name="one")
    other = built(tmp_path, of("aarch64", b"22"), platform="linux/arm64", name="other")
    assert_same(one, other)
    worse = built(tmp_path, of("aarch64", b"22", app=b"x"), platform="linux/arm64", name="worse")
    assert [finding.subject for finding in find_same(one, worse)] == ["file /app"]


def test_elf_files_that_ask_for_something_else(tmp_path: Path) -> None:
    loader = "/lib/ld-musl-x86_64.so.1"
    old = File(bytes(Elf(needed=("libz.so.1",), interpreter=loader)), mode=0o755)
    new = File(bytes(Elf(needed=("libz.so.1", "libssl.so.3"), interpreter=loader)), mode=0o755)
    found = compare(*pair(tmp_path, {"srv/app": old}, {"srv/app": new}))
    assert [str(change) for change in found.of("elf")] == [
        f"elf /srv/app: needs libz.so.1, loader {loader} -> needs libssl.so.3 libz.so.1, loader {loader}"
    ]


def test_regressions(tmp_path: Path) -> None:
    old, new = pair(tmp_path, OLD, {**NEW, "usr/local/bin/su": File(b"#!", mode=0o4755)}, CONFIG | {"User": "root"})
    with pytest.raises(AssertionError) as caught:
        assert_no_regression(old, new)
    lines = str(caught.value).splitlines()
    assert lines[-1] == f"in {old} -> {new}"
    assert lines[:-2] == [
        "package down: expected 2 or later, found 1.9",
        "world gone: expected installed, as it was asked for, found nothing",
        "command /usr/local/bin/tool: expected there, as before, found nothing",
        "config user: expected app, or another user, found root",
        (
            "clean setuid /usr/local/bin/su: expected no setuid, no setgid, found setuid, mode 4755, owner 0:0, "
            "no package (chmod a-s /usr/local/bin/su)"
        ),
    ]
    was, now = old.size.rootfs, new.size.rootfs
    assert lines[-2].startswith(
        f"size rootfs: expected at most {format_size(int(was * 1.1))}, found {format_size(now)}, "
        f"from {format_size(was)} (most of it: curl 2.00 kB, "
    )
    ignore = ["package", "world", "command:/usr/local/*", "config", "clean:setuid *"]
    assert [finding.subject for finding in find_regressions(old, new, ignore)] == ["size rootfs"]
    assert_no_regression(old, new, ignore, growth=None)
    assert_no_regression(old, new, ignore, growth=3.0)


def test_another_shell_and_an_older_release(tmp_path: Path) -> None:
    older: dict[str, Node] = {
        "etc/alpine-release": "3.9.6\n",
        "etc/os-release": "ID=alpine\nVERSION_ID=3.9.6\n",
        "etc/apk/repositories": "",
        "bin/bash": File(b"\x7fELF GNU bash, version", mode=0o755),
        "bin/sh": Symlink("bash"),
    }
    old, new = pair(tmp_path, {}, older)
    ignore = ["clean", "size"]
    assert [str(finding) for finding in find_regressions(old, new, ignore)] == [
        "shell /bin/sh: expected ash, found bash",
        "release alpine: expected 3.24.2 or later, found 3.9.6",
    ]
    assert [finding.subject for finding in find_regressions(new, old, ignore)] == ["shell /bin/sh", "command /bin/bash"]


@pytest.mark.official
@pytest.mark.parametrize("tag", ["edge", "3.20", "3.19", "3.13"])
def test_every_platform_of_a_stock_image_ships_the_same(tag: str, tmp_path: Path) -> None:
    reference, access = f"minirootfs:{MIRROR}:{tag}", Access(Store(tmp_path))
    first, *others = (open_image(reference, platform, access=access) for platform in published_platforms(reference))
    for other in others:
        # The one official image whose shadow file belongs to an unknown group is edge's for amd64, the first.
        odd = {"file /etc/shadow"} if tag == "edge" else set()
        assert {finding.subject for finding in find_same(first, other)} == odd
    for other in others[1:]:
        assert_same(others[0], other)


@pytest.mark.official
def test_an_upgrade_of_the_stock_image(tmp_path: Path) -> None:
    access = Access(Store(tmp_path))
    old, new = (open_image(f"minirootfs:{MIRROR}:{tag}", "amd64", access=access) for tag in ("3.19", "3.20"))
    assert_no_regression(old, new, ignore="world:libc-utils")
    found = {finding.subject for finding in find_regressions(new, old)}
    assert {"package musl", "package busybox", "release alpine"} <= found


CHECKED = {**CONFIG, "Healthcheck": {"Test": ["CMD", "true"], "Retries": 2}}


@pytest.mark.parametrize(
    ("healthcheck", "change", "regression"),
    [
        (None, "config healthcheck: --retries=2 CMD true -> nothing", ("--retries=2 CMD true", "none")),
        ({"Test": ["NONE"]}, "config healthcheck: --retries=2 CMD true -> NONE", ("--retries=2 CMD true", "NONE")),
        ({"Test": ["CMD", "false"]}, "config healthcheck: --retries=2 CMD true -> CMD false", None),
        (CHECKED["Healthcheck"], None, None),
    ],
    ids=["lost", "switched-off", "another", "same"],
)
def test_health_checks(
    healthcheck: object, change: str | None, regression: tuple[str, str] | None, tmp_path: Path
) -> None:
    old = built(tmp_path, GOOD, config=CHECKED, name="old")
    new = built(tmp_path, GOOD, config={**CONFIG, "Healthcheck": healthcheck}, name="new")
    assert list(map(str, compare(old, new).changes)) == [change] * (change is not None)
    found = [(each.check, each.subject, each.expected, each.actual) for each in find_regressions(old, new)]
    assert found == ([] if regression is None else [("regression", "config healthcheck", *regression)])


PING, RAW = "bin/ping", "0100000200200000000000000000000000000000"
BOTH, BIND = "0100000200240000000000000000000000000000", "0100000200040000000000000000000000000000"
TWO = "cap_net_bind_service,cap_net_raw=ep"
CAPABILITIES: dict[str, tuple[str, str, str, str]] = {
    "lost": (RAW, "", "", "expected cap_net_raw=ep, as before, found none"),
    "fewer": (
        BOTH,
        RAW,
        "cap_net_raw=ep",
        f"expected {TWO}, as before, found cap_net_raw=ep",
    ),
    "others": (
        RAW,
        BIND,
        "cap_net_bind_service=ep",
        "expected cap_net_raw=ep, as before, found cap_net_bind_service=ep",
    ),
    "more": (RAW, BOTH, TWO, ""),
}


@pytest.mark.parametrize(("old", "new", "now", "regression"), CAPABILITIES.values(), ids=CAPABILITIES)
def test_file_capabilities(old: str, new: str, now: str, regression: str, tmp_path: Path) -> None:
    files = [File(b"#!", mode=0o755, capabilities=bytes.fromhex(value)) for value in (old, new)]
    before, after = pair(tmp_path, {PING: files[0]}, {PING: files[1]})
    (change,) = compare(before, after).changes
    assert change.name == f"/{PING}"
    assert change.old.startswith("a file of 2 bytes, mode 0755, owner 0:0, capabilities cap_net_")
    assert change.new == "a file of 2 bytes, mode 0755, owner 0:0" + (f", capabilities {now}" if now else "")
    found = list(map(str, find_regressions(before, after)))
    assert found == ([f"capabilities /{PING}: {regression}"] if regression else [])
    assert find_regressions(before, after, ignore="capabilities:/bin/*") == ()
