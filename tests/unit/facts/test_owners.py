from __future__ import annotations

import pytest

from pytest_alpine.apk.installed import parse_installed
from pytest_alpine.facts.owners import Owners
from pytest_alpine.rootfs.base import Entry, Kind
from tests.support.alpine import package

LINKS = {"/lib": "usr/lib", "/loop": "loop", "/gone": "/nowhere", "/file": "/usr/lib/z.so", "/usr/lib/own": "z.so"}
KINDS: dict[str, Kind] = {"/": "directory", "/usr": "directory", "/usr/lib": "directory", "/usr/lib/z.so": "file"}
ENTRIES = {
    **{path: Entry(path=path, kind="symlink", mode=0o777, target=target) for path, target in LINKS.items()},
    **{path: Entry(path=path, kind=kind, mode=0o755) for path, kind in KINDS.items()},
}


@pytest.mark.parametrize(
    ("recorded", "stands"),
    [
        ("lib/z.so", "/usr/lib/z.so"),
        ("usr/lib/z.so", "/usr/lib/z.so"),
        ("usr/lib/deleted", "/usr/lib/deleted"),
        ("usr/lib/own", "/usr/lib/own"),
        ("loop/x", "/loop/x"),
        ("gone/x", "/gone/x"),
        ("file/x", "/usr/lib/z.so/x"),
        ("srv/absent/x", "/srv/absent/x"),
        ("top", "/top"),
    ],
    ids=["link", "direct", "deleted", "last-is-a-link", "loop", "dangling", "through-a-file", "no-folder", "root"],
)
def test_where_a_recorded_file_stands(recorded: str, stands: str) -> None:
    packages = parse_installed(package("svc", files={recorded: b""}).encode(), "installed")
    owners = Owners(ENTRIES, packages)
    assert owners.by_path == {stands: packages["svc"]}
    assert owners.owner(stands) is packages["svc"]
    assert owners.owner(f"/{recorded}") is packages["svc"]
    assert owners.owner("/usr/lib") is None
    ((owner, file, path),) = owners.files
    assert (owner, file.path, path) == (packages["svc"], f"/{recorded}", stands)


def test_of_two_packages_the_last_has_the_file() -> None:
    records = package("one", files={"lib/a": b""}) + package("two", files={"usr/lib/a": b""})
    packages = parse_installed(records.encode(), "installed")
    assert Owners(ENTRIES, packages).owner("/lib/a") is packages["two"]
