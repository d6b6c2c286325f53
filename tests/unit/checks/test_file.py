"""What one file is: kind, mode, owner, content; and files that must not be there."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine import Image, assert_file, assert_no_file, find_file, find_no_file, open_image
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from tests.support.images import Directory, Fifo, File, Symlink, image as built, layer_tar, write_oci_layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.images import Node
    from tests.unit.checks.conftest import Build

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/:/sbin/nologin\n"
GROUP = "root:x:0:\nstaff:x:1001:app\n"
CONFIG = b"port = 8080\nname = caf\xc3\xa9\n"
FILES: Mapping[str, Node] = {
    "etc/passwd": PASSWD,
    "etc/group": GROUP,
    "etc/app/app.conf": File(CONFIG, mode=0o640, uid=1000, gid=1001),
    "etc/app/key": File(b"\x00\xff", mode=0o4755, uid=7, gid=8),
    "etc/app/empty": File(b""),
    "etc/app.link": Symlink("app/app.conf"),
    "etc/absolute.link": Symlink("/etc/app/app.conf"),
    "etc/dangling": Symlink("app/nothing"),
    "conf": Symlink("etc/app"),
    "srv/pipe": Fifo(),
    "srv/www": Directory(mode=0o1777),
    "root/.ssh/id": "key",
    "root/.ssh/more/id": "key",
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("files")
    write_oci_layout(folder / "layout", {"1": [built(layer_tar(FILES))]})
    return open_image(f"oci:{folder}/layout:1", "linux/amd64", access=Access(Store(folder / "store")))


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        pytest.param("/etc/app/app.conf", {}, id="it-is-there"),
        pytest.param("etc/app/app.conf", {}, id="without-the-first-slash"),
        pytest.param("/conf/app.conf", {"mode": 0o640}, id="a-link-in-a-directory"),
        pytest.param("/etc/app.link", {"mode": 0o640, "owner": "app"}, id="a-link-is-followed"),
        pytest.param("/etc/absolute.link", {"contains": "port"}, id="an-absolute-link-stays-inside"),
        pytest.param("/etc/app.link", {"target": "app/app.conf"}, id="a-links-text"),
        pytest.param("/etc/app.link", {"kind": "symlink"}, id="a-link"),
        pytest.param("/etc/app.link", {"kind": "symlink", "follow": False}, id="a-link-not-followed"),
        pytest.param("/etc/dangling", {"target": "app/nothing"}, id="a-link-to-nothing"),
        pytest.param("/srv/pipe", {"kind": "fifo"}, id="a-pipe"),
        pytest.param("/srv/www", {"kind": "directory", "mode": "1777"}, id="a-directory"),
        pytest.param("/", {"kind": "directory"}, id="the-root"),
        pytest.param("/etc/app/key", {"mode": 0o4755, "owner": 7, "group": 8}, id="numbers"),
        pytest.param("/etc/app/key", {"owner": "7", "group": "8"}, id="numbers-as-texts"),
        pytest.param("/etc/app/app.conf", {"owner": "app", "group": "staff"}, id="names"),
        pytest.param("/etc/app/app.conf", {"contains": "café"}, id="a-text"),
        pytest.param("/etc/app/app.conf", {"contains": b"\xc3\xa9"}, id="bytes"),
        pytest.param("/etc/app/app.conf", {"contains": re.compile(r"^port = \d+$", re.MULTILINE)}, id="a-pattern"),
        pytest.param("/etc/app/key", {"contains": re.compile(rb"\xff$")}, id="a-pattern-of-bytes"),
        pytest.param("/etc/app/app.conf", {"size": len(CONFIG)}, id="a-size"),
        pytest.param("/etc/app/app.conf", {"sha256": hashlib.sha256(CONFIG).hexdigest()}, id="a-digest"),
        pytest.param("/etc/app/app.conf", {"sha256": f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"}, id="as-oci-does"),
    ],
)
def test_it_is_so(image: Image, path: str, facts: dict[str, Any]) -> None:
    assert find_file(image, path, **facts) == ()
    assert_file(image, path, **facts)


@pytest.mark.parametrize(
    ("path", "facts", "told"),
    [
        pytest.param(
            "/etc/app/app.cnf",
            {},
            "/etc/app/app.cnf: expected a file, found nothing there (nearest: /etc/app/app.conf)",
            id="nothing-there",
        ),
        pytest.param(
            "/opt/app/app.conf",
            {},
            "/opt/app/app.conf: expected a file, found nothing there (there is no directory /opt/app)",
            id="no-directory",
        ),
        pytest.param(
            "/etc/dangling",
            {},
            "/etc/dangling: expected a file, found a link to nothing, 'app/nothing'",
            id="a-link-to-nothing",
        ),
        pytest.param("/srv/www", {}, "/srv/www: expected a file, found a directory", id="another-kind"),
        pytest.param(
            "/etc/app.link",
            {"follow": False},
            "/etc/app.link: expected a file, found a symlink (it leads to 'app/app.conf')",
            id="a-link-not-followed",
        ),
        pytest.param(
            "/etc/app.link",
            {"target": "/app.conf"},
            "/etc/app.link: expected a link to '/app.conf', found one to 'app/app.conf'",
            id="another-link",
        ),
        pytest.param(
            "/etc/app/app.conf",
            {"target": "/app.conf"},
            "/etc/app/app.conf: expected a symlink, found a file",
            id="no-link",
        ),
        pytest.param(
            "/etc/app/app.conf",
            {"mode": 0o755},
            "/etc/app/app.conf: expected mode -rwxr-xr-x 755, found -rw-r----- 640",
            id="another-mode",
        ),
        pytest.param(
            "/etc/app/app.conf",
            {"mode": 640},
            "/etc/app/app.conf: expected mode --w------T 1200, found -rw-r----- 640 "
            "(640 is a decimal number: is 0o640 meant?)",
            id="a-decimal-mode",
        ),
        pytest.param(
            "/etc/app/key",
            {"mode": 0o755},
            "/etc/app/key: expected mode -rwxr-xr-x 755, found -rwsr-xr-x 4755",
            id="setuid",
        ),
        pytest.param(
            "/etc/app/app.conf",
            {"owner": "root"},
            "/etc/app/app.conf: expected owner root, found app (1000)",
            id="another-owner",
        ),
        pytest.param(
            "/etc/app/app.conf",
            {"owner": "nobody"},
            "/etc/app/app.conf: expected owner nobody, found app (1000) (/etc/passwd has no 'nobody')",
            id="an-owner-who-is-not-there",
        ),
        pytest.param(
            "/etc/app/key",
            {"group": 0},
            "/etc/app/key: expected group 0, found 8 (a number without a name)",
            id="a-group-without-a-name",
        ),
        pytest.param(
            "/etc/app/app.conf",
            {"contains": "port = 80\n"},
            r"/etc/app/app.conf: expected content with 'port = 80\n', "
            r"found 25 bytes that begin with 'port = 8080\nname = café\n'",
            id="another-text",
        ),
        pytest.param(
            "/etc/app/empty",
            {"contains": re.compile("x+")},
            "/etc/app/empty: expected content that matches 'x+', found an empty file",
            id="an-empty-file",
        ),
        pytest.param(
            "/etc/app/empty", {"size": 3}, "/etc/app/empty: expected 3 bytes, found 0 bytes", id="another-size"
        ),
        pytest.param(
            "/etc/app/empty",
            {"sha256": "0" * 64},
            f"/etc/app/empty: expected sha256 {'0' * 64}, found {hashlib.sha256().hexdigest()}",
            id="another-digest",
        ),
    ],
)
def test_it_is_different(image: Image, path: str, facts: dict[str, Any], told: str) -> None:
    assert [str(finding) for finding in find_file(image, path, **facts)] == [told]
    with pytest.raises(AssertionError, match=re.escape(told)):
        assert_file(image, path, **facts)


def test_all_differences_are_told_at_once(image: Image) -> None:
    found = find_file(image, "/etc/app/app.conf", mode=0o600, owner="root", group="root", contains="x", size=1)
    assert [finding.expected for finding in found] == [
        "mode -rw------- 600",
        "owner root",
        "group root",
        "1 bytes",
        "content with 'x'",
    ]


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        pytest.param({"mode": 0o10000}, "mode is 4096 (expected an octal number", id="too-many-bits"),
        pytest.param({"mode": "rwx"}, "mode is 'rwx' (expected an octal number", id="letters"),
        pytest.param({"mode": True}, "mode is True (expected an octal number", id="a-truth"),
        pytest.param({"sha256": "abc"}, "sha256 is 'abc' (expected 64 hexadecimal digits)", id="a-short-digest"),
        pytest.param({"modes": 0o755}, "unknown: modes (expected some of kind=, mode=, owner=, ", id="a-slip"),
        pytest.param({"kind": "dir"}, "kind is 'dir' (expected file, directory, symlink, ", id="no-kind"),
    ],
)
def test_what_cannot_be_asked(image: Image, facts: dict[str, Any], told: str) -> None:
    with pytest.raises(TypeError, match=re.escape(told)):
        find_file(image, "/etc/app/app.conf", **facts)


def test_an_image_without_users(build: Build) -> None:
    found = find_file(build({"x": File(b"", uid=1)}), "/x", owner="app")
    assert [str(finding) for finding in found] == [
        "/x: expected owner app, found 1 (a number without a name) (/etc/passwd has no 'app')"
    ]


@pytest.mark.parametrize(
    ("globs", "found"),
    [
        pytest.param(["/nothing", "*.pyc"], [], id="none"),
        pytest.param(["/root/.ssh"], ["/root/.ssh"], id="a-directory-alone"),
        pytest.param(["/root/.ssh/*"], ["/root/.ssh/id", "/root/.ssh/more"], id="below-it"),
        pytest.param(["*/id"], ["/root/.ssh/id", "/root/.ssh/more/id"], id="anywhere"),
        pytest.param(["*.link", "/srv/p?pe"], ["/etc/absolute.link", "/etc/app.link", "/srv/pipe"], id="several"),
        pytest.param(["/conf/*"], [], id="not-through-links"),
    ],
)
def test_no_file(image: Image, globs: list[str], found: list[str]) -> None:
    assert [finding.subject for finding in find_no_file(image, *globs)] == found
    if not found:
        assert_no_file(image, *globs)


def test_what_must_not_be_there_is_named(image: Image) -> None:
    told = "/root/.ssh: expected nothing that matches '/root/.s*', found a directory"
    with pytest.raises(AssertionError, match=re.escape(told)):
        assert_no_file(image, "/tmp/*", "/root/.s*")


def test_many_files_are_counted(build: Build) -> None:
    with pytest.raises(AssertionError, match=r"and 80 more of the kind \(find_no_file returns all\)"):
        assert_no_file(build({f"srv/{number}.pyc": "" for number in range(100)}), "*.pyc")


@pytest.mark.parametrize(
    ("globs", "told"),
    [
        pytest.param([], "no pattern is given (expected at least one, such as '/var/cache/apk/*')", id="none"),
        pytest.param(["root/*"], "'root/*' matches no absolute path (expected '/...' or '*...')", id="relative"),
    ],
)
def test_patterns_that_match_nothing(image: Image, globs: list[str], told: str) -> None:
    with pytest.raises(TypeError, match=re.escape(told)):
        find_no_file(image, *globs)
