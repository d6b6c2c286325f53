from __future__ import annotations

import functools
import json
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine import SecurityDataError, assert_patched, find_patched
from pytest_alpine.checks.patched.assertion import security_data
from tests.support.alpine import GOOD, built, package
from tests.unit.checks.conftest import message_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_alpine import Image
    from tests.support.images import Node

MUSL_FIX = {"musl": {"1.1.18-r4": ["CVE-2019-14697"], "1.1.15-r4": ["CVE-2016-8859"]}}
ODD: dict[str, Any] = {
    "never": {"0": ["CVE-2020-1111"]},
    "several": {"9.9-r0": ["CVE-2019-5060 TALOS-2019-0844", "CVE 2018-16859", "XSA-120", "CVE-2017-2616 (+ fix)"]},
    "invalid": {"10.2.26.r0": ["CVE-2020-2"], "4.10-1-r1": ["CVE-2020-22"], "9-r0": ["CVE-2020-2222"]},
    "empty": {"9-r0": []},
    "none": None,
    "single": {"9-r0": "CVE-2020-3333"},
    "no-list": {"9-r0": {"CVE-2020-4444": 1}},
    "no-fixes": ["CVE-2020-5555"],
}


def secdb(fixes: Mapping[str, Any], version: str = "v3.24", *, archs: object = ("x86_64", "aarch64")) -> str:
    packages: list[object] = [{"pkg": {"name": name, "secfixes": found}} for name, found in fixes.items()]
    return json.dumps({"distroversion": version, "reponame": "main", "archs": archs, "packages": packages})


def written(folder: Path, *files: tuple[str, str]) -> Path:
    for name, text in files:
        path = folder / "secdb" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "secdb"


def with_packages(folder: Path, *packages: str, **more: Node) -> Image:
    members = {**GOOD, "lib/apk/db/installed": "".join(packages), **more}
    return built(folder, members)


OLD_MUSL = (
    package("musl", "o:musl", version="1.1.18-r3"),
    package("musl-utils", "o:musl", version="1.1.18-r3"),
    package("zlib", version="1.2.13-r0"),
    package("busybox", "o:busybox", version="1.27.2-r11"),
)


def test_fixes_are_looked_up_by_source_package(tmp_path: Path) -> None:
    image = with_packages(tmp_path, *OLD_MUSL)
    folder = written(
        tmp_path,
        ("v3.24/main.json", secdb(MUSL_FIX)),
        (
            "v3.24/community.json",
            secdb({"zlib": {"1.2.13-r1": ["CVE-2023-45853"]}, "busybox": {"1.9-r0": ["CVE-1-1"]}}),
        ),
        ("v3.20/main.json", secdb({"busybox": {"99-r0": ["CVE-2000-1234"]}}, "v3.20")),
    )
    with pytest.raises(AssertionError) as caught:
        assert_patched(image, secdb=folder)
    lines = str(caught.value).splitlines()
    assert lines[-1].startswith(f"in oci:{tmp_path}/layout:1 (linux/amd64, sha256:")
    assert lines[:-1] == [
        "musl: expected 1.1.18-r4 or later, found 1.1.18-r3 (fixes CVE-2019-14697)",
        "musl-utils: expected 1.1.18-r4 or later, found 1.1.18-r3, of musl (fixes CVE-2019-14697)",
        "zlib: expected 1.2.13-r1 or later, found 1.2.13-r0 (fixes CVE-2023-45853)",
    ]
    assert [finding.check for finding in find_patched(image, folder)] == ["patched"] * 3
    assert [finding.subject for finding in find_patched(image, folder, except_="CVE-2019-14697")] == ["zlib"]
    assert_patched(image, str(folder), except_=["CVE-2019-14697", "CVE-2023-45853"])


@pytest.mark.parametrize("given", ["", "v3.24", "v3.24/main.json"], ids=["all", "branch", "file"])
def test_places(given: str, tmp_path: Path) -> None:
    image = with_packages(tmp_path, *OLD_MUSL)
    folder = written(tmp_path, ("v3.24/main.json", secdb(MUSL_FIX)))
    assert [finding.subject for finding in find_patched(image, folder / given)] == ["musl", "musl-utils"]


def test_versions_are_in_apks_order(tmp_path: Path) -> None:
    image = with_packages(
        tmp_path,
        package("old", version="1.2.4_rc1-r0"),
        package("same", version="1.2.4-r0"),
        package("new", version="1.2.4_git20230717-r0"),
        package("later", version="1.10-r0"),
        package("odd", version="unknown"),
    )
    fixed = {name: {"1.2.4-r0": [f"CVE-2020-{name}1234", "CVE-2020-1234"]} for name in ("old", "same", "new", "later")}
    folder = written(tmp_path, ("v3.24/main.json", secdb(fixed)))
    assert [finding.subject for finding in find_patched(image, folder)] == ["old"]


def test_odd_entries_are_read_or_counted(tmp_path: Path) -> None:
    image = with_packages(tmp_path, *(package(name) for name in ODD))
    text = json.loads(secdb(ODD))
    text["packages"] += [7, {"pkg": {"name": 3, "secfixes": {}}}]
    folder = written(tmp_path, ("v3.24/main.json", json.dumps(text)))
    with pytest.raises(AssertionError) as caught:
        assert_patched(image, folder)
    assert str(caught.value).splitlines()[:-1] == [
        (
            "several: expected 9.9-r0 or later, found 1.0-r0 "
            "(fixes XSA-120, TALOS-2019-0844, CVE-2019-5060, CVE-2018-16859, CVE-2017-2616)"
        ),
        "invalid: expected 9-r0 or later, found 1.0-r0 (fixes CVE-2020-2222)",
        "single: expected 9-r0 or later, found 1.0-r0 (fixes CVE-2020-3333)",
        (
            "not considered: 7 malformed entries, such as invalid: invalid version: '10.2.26.r0' "
            "(expected number{.number}[letter]{_suffix[number]}[~hash][-rnumber]; cannot read '.r0')"
        ),
    ]
    data = security_data(image, folder)
    assert data.files == (f"{folder}/v3.24/main.json",)
    assert [line.partition(":")[0] for line in data.skipped[2:4]] == ["empty 9-r0", "no-list 9-r0"]
    assert data.skipped[4:] == (
        (
            f"{folder}/v3.24/main.json: package 7: neither a name nor fixes: "
            "{'pkg': {'name': 'no-fixes', 'secfixes': ['CVE-2020-5555']}}"
        ),
        f"{folder}/v3.24/main.json: package 8: neither a name nor fixes: 7",
        f"{folder}/v3.24/main.json: package 9: neither a name nor fixes: {{'pkg': {{'name': 3, 'secfixes': {{}}}}}}",
    )


def test_many_fixes_are_told_in_short(tmp_path: Path) -> None:
    image = with_packages(tmp_path, package("php"))
    fixes = {"php": {f"2.{number}-r0": [f"CVE-2020-{1000 + number}"] for number in range(12)}}
    (finding,) = find_patched(image, written(tmp_path, ("v3.24/main.json", secdb(fixes))))
    assert finding.expected == "2.11-r0 or later"
    assert finding.hint.startswith("fixes CVE-2020-1011, CVE-2020-1010, ")
    assert finding.hint.endswith(", CVE-2020-1004 and 4 more")


def test_files_of_other_architectures_are_left_aside(tmp_path: Path) -> None:
    image = with_packages(tmp_path, *OLD_MUSL)
    other = ("v3.24/community.json", secdb(MUSL_FIX, archs=["s390x", "riscv64"]))
    folder = written(tmp_path, ("v3.24/main.json", secdb({})), other)
    assert find_patched(image, folder) == ()
    assert security_data(image, folder).files == (f"{folder}/v3.24/main.json",)


def test_an_architecture_of_which_nothing_is_known_is_not_found_to_be_fine(tmp_path: Path) -> None:
    folder = written(tmp_path, ("v3.24/main.json", secdb(MUSL_FIX, archs=["s390x", "riscv64"])))
    image = with_packages(tmp_path, *OLD_MUSL)
    with pytest.raises(SecurityDataError, match=r"main.json: no security data for x86_64 \(there: s390x, riscv64\)"):
        assert_patched(image, folder)
    written(tmp_path, ("v3.24/main.json", secdb(MUSL_FIX, archs=[])))  # says nothing of architectures
    assert find_patched(image, folder)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "v3.20/main.json",
            "{}",
            r"secdb: no security data of v3\.24 \(expected a folder or URL with BRANCH/main.json",
        ),
        ("v3.24/main.json", "[]", r"main.json: a JSON list \(expected an object\); in security data of Alpine"),
        ("v3.24/main.json", "{", r"main.json: not JSON"),
        ("main.json", '{"packages": {}}', r"main.json: field 'packages' is {} \(expected an array\)"),
        ("main.json", secdb({}, "v3.20"), r"main.json: security data of v3.20 \(expected v3.24\)"),
    ],
    ids=["another-branch", "array", "no-json", "no-packages", "says-another-branch"],
)
def test_bad_data(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SecurityDataError, match=message):
        assert_patched(with_packages(tmp_path, *OLD_MUSL), written(tmp_path, (name, text)))


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(SecurityDataError, match=r"nowhere: no security data of v3\.24"):
        assert_patched(with_packages(tmp_path, *OLD_MUSL), tmp_path / "nowhere")


def test_no_branch(tmp_path: Path) -> None:
    image = built(tmp_path, {"etc/os-release": "ID=wolfi\nPRETTY_NAME=Wolfi", "lib/apk/db/installed": OLD_MUSL[0]})
    with pytest.raises(SecurityDataError, match=r"Wolfi is of no branch of Alpine \(expected one that has"):
        assert_patched(image, tmp_path)


def test_an_url_is_fetched(tmp_path: Path) -> None:
    image = with_packages(tmp_path, *OLD_MUSL)
    folder = written(tmp_path, ("v3.24/main.json", secdb(MUSL_FIX)))
    with served(folder) as url:
        for given in (url, f"{url}/v3.24/", f"{url}/v3.24/main.json"):
            assert [finding.subject for finding in find_patched(image, given)] == ["musl", "musl-utils"]
        with pytest.raises(SecurityDataError, match=f"{url}/other: no security data of v3.24"):
            find_patched(image, f"{url}/other")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve *folder* over HTTP and yield its URL."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_whole_message(broken: Image, tmp_path: Path) -> None:
    data = {
        "distroversion": "v3.20",
        "packages": [
            {
                "pkg": {
                    "name": "busybox",
                    "secfixes": {"1.36.1-r30": ["CVE-2026-1111 CVE-2026-2111"], "0": ["CVE-2026-3111"]},
                }
            },
            {"pkg": {"name": "odd", "secfixes": {"1.x": ["CVE-2026-4111"]}}},
        ],
    }
    written(tmp_path, ("main.json", json.dumps(data)))
    assert message_lines(broken, lambda image: assert_patched(image, tmp_path / "secdb" / "main.json")) == [
        "busybox: expected 1.36.1-r30 or later, found 1.36.1-r29 (fixes CVE-2026-2111, CVE-2026-1111)",
        (
            "not considered: 1 malformed entry, such as odd: invalid version: '1.x' (expected "
            "number{.number}[letter]{_suffix[number]}[~hash][-rnumber]; cannot read '.x')"
        ),
    ]
