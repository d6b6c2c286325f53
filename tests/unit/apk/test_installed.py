from __future__ import annotations

import pytest

from pytest_alpine.apk.digest import parse_digest
from pytest_alpine.apk.files import PackageDirectory, PackageFile
from pytest_alpine.apk.installed import parse_installed
from pytest_alpine.apk.version import Version
from pytest_alpine.errors import DatabaseError

Q1 = "Q1qKcZ+j23xssAXmgQhkOO8dHnbWw="
OTHER = "Q1SLkS9hBidUbPwwrw+XR0Whv3ww8="
Q2 = "Q2LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="

EVERY_FIELD = f"""\
C:{Q1}
P:busybox-binsh
V:1.36.1-r29
A:x86_64
S:1543
I:8192
T:busybox ash: /bin/sh
U:https://busybox.net/
L:GPL-2.0-only
o:busybox
m:S\u00f6ren <soeren@example.org>
t:1718115936
c:1b8d45f21cd9a4d8a4e0c0a5a9e5a0b2a3f8c0de
k:100
D:busybox=1.36.1-r29 !other>2
p:/bin/sh cmd:sh=1.36.1-r29
i:base busybox=1.36.1-r29
g:alpine:shell vendor:x=1
r:busybox-initscripts old<2
q:1000
s:edge
f:fx
F:
R:init
F:bin
M:0:0:1777:{Q1}
R:sh
a:0:42:4755:{OTHER}
Z:{Q1}
R:late
Z:{OTHER}
a:7:8:600
F:etc/empty

"""


def parsed(text: str) -> list[str]:
    return [str(package) for package in parse_installed(text.encode(), "db").values()]


def test_every_field() -> None:
    package = parse_installed(EVERY_FIELD.encode(), "db")["busybox-binsh"]
    assert package.checksum == parse_digest(Q1)
    assert package.version == Version("1.36.1-r29")
    assert (package.name, package.arch, package.origin) == ("busybox-binsh", "x86_64", "busybox")
    assert (package.package_size, package.installed_size) == (1543, 8192)
    assert (package.description, package.url) == ("busybox ash: /bin/sh", "https://busybox.net/")
    assert (package.license, package.maintainer) == ("GPL-2.0-only", "S\u00f6ren <soeren@example.org>")
    assert (package.build_time, package.commit) == (1718115936, "1b8d45f21cd9a4d8a4e0c0a5a9e5a0b2a3f8c0de")
    assert (package.provider_priority, package.replaces_priority) == (100, 1000)
    assert [str(found) for found in package.depends] == ["busybox=1.36.1-r29", "!other>2"]
    assert [str(found) for found in package.provides] == ["/bin/sh", "cmd:sh=1.36.1-r29"]
    assert [str(found) for found in package.install_if] == ["base", "busybox=1.36.1-r29"]
    assert [str(found) for found in package.replaces] == ["busybox-initscripts", "old<2"]
    assert package.tags == ("alpine:shell", "vendor:x=1")
    assert (package.tag, package.flags) == ("edge", "fx")
    assert package.files == (
        PackageFile(path="/init"),
        PackageFile(path="/bin/sh", mode=0o4755, gid=42, digest=parse_digest(Q1), xattrs=parse_digest(OTHER)),
        PackageFile(path="/bin/late", mode=0o600, uid=7, gid=8, digest=parse_digest(OTHER)),
    )
    assert package.directories == (
        PackageDirectory(path="/"),
        PackageDirectory(path="/bin", mode=0o1777, xattrs=parse_digest(Q1)),
        PackageDirectory(path="/etc/empty"),
    )


def test_only_name_and_version_must_be_there() -> None:
    package = parse_installed(b"P:x\nV:1\n\n", "db")["x"]
    assert (package.arch, package.origin, package.license, package.description) == ("", "", "", "")
    assert (package.url, package.maintainer, package.commit, package.tag, package.flags) == ("", "", "", "", "")
    assert (package.installed_size, package.package_size) == (0, 0)
    assert package.build_time is package.provider_priority is package.replaces_priority is None
    assert package.checksum is None
    assert package.depends == package.provides == package.install_if == package.replaces == ()
    assert (package.tags, package.files, package.directories) == ((), (), ())


def test_the_flag_of_sha256_holds_for_all_digests_of_the_package() -> None:
    package = parse_installed(f"C:{Q1}\nP:x\nV:1\nf:S\nF:bin\nR:a\nZ:{Q1}\nR:b\nZ:{Q2}\n\n".encode(), "db")["x"]
    digests = [package.checksum, *(file.digest for file in package.files)]
    assert [digest.algorithm for digest in digests if digest] == ["sha256-160", "sha256-160", "sha256"]


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("\n\n", [], id="blank"),
        pytest.param("P:x\nV:1\n", ["x-1"], id="no-blank-line-at-the-end"),
        pytest.param("P:x\nV:1\n\n\n\n\n", ["x-1"], id="blank-lines-at-the-end"),
        pytest.param("\n\nP:x\nV:1\n\n\n\nP:y\nV:2\n\n", ["x-1", "y-2"], id="blank-lines-between"),
        pytest.param("V:1\nT:\nP:x\n\n", ["x-1"], id="any-order-and-empty-text"),
        pytest.param("P:x\nF:a\nR:b\nV:1\n\n", ["x-1"], id="fields-behind-the-files"),
        pytest.param("P:.build-deps\nV:20260616.002526\n\n", [".build-deps-20260616.002526"], id="virtual-package"),
        pytest.param("P:x\nV:1.x-y\n\n", ["x-1.x-y"], id="odd-version"),
        pytest.param("C:whatever\nP:x\nV:1\n\n", ["x-1"], id="odd-identity"),
        pytest.param("P:x\nV:1\np:a= b>=1.x\nD:  a   b  \ni:\n\n", ["x-1"], id="odd-constraints"),
    ],
)
def test_what_apk_accepts_too(text: str, packages: list[str]) -> None:
    assert parsed(text) == packages


A, B, C = (PackageDirectory(path=f"/{name}") for name in "abc")


@pytest.mark.parametrize(
    ("rows", "files", "directories"),
    [
        pytest.param(
            f"F:a\nR:f\nM:1:2:700\nZ:{Q1}\nR:g\n",
            [PackageFile(path="/a/f", digest=parse_digest(Q1)), PackageFile(path="/a/g")],
            [PackageDirectory(path="/a", mode=0o700, uid=1, gid=2)],
            id="directory-acl-behind-a-file",
        ),
        pytest.param(
            f"F:a\nR:f\nZ:{Q1}\nM:1:2:700\n",
            [PackageFile(path="/a/f", digest=parse_digest(Q1))],
            [PackageDirectory(path="/a", mode=0o700, uid=1, gid=2)],
            id="directory-acl-behind-a-digest",
        ),
        pytest.param(
            "F:a\nM:1:2:700\nM:3:4:711\n",
            [],
            [PackageDirectory(path="/a", mode=0o711, uid=3, gid=4)],
            id="directory-acl-twice",
        ),
        pytest.param(
            f"F:a\nR:f\nZ:{OTHER}\na:1:2:600\nZ:{Q1}\na:3:4:640\n",
            [PackageFile(path="/a/f", mode=0o640, uid=3, gid=4, digest=parse_digest(Q1))],
            [A],
            id="the-last-acl-and-digest-count",
        ),
        pytest.param(
            f"F:a\nR:f\nF:b\nZ:{Q1}\na:1:2:600\nR:g\n",
            [PackageFile(path="/a/f", mode=0o600, uid=1, gid=2, digest=parse_digest(Q1)), PackageFile(path="/b/g")],
            [A, B],
            id="of-the-last-file-behind-a-directory",
        ),
        pytest.param(
            "F:a\nR:f\nr:old\nR:g\nT:text\nM:1:2:700\n",
            [PackageFile(path="/a/f"), PackageFile(path="/a/g")],
            [PackageDirectory(path="/a", mode=0o700, uid=1, gid=2)],
            id="fields-between",
        ),
        pytest.param(
            f"F:a\nM:1:2:700\nR:f\nF:b\nF:a\nR:g\nR:f\nZ:{Q1}\n",
            [PackageFile(path="/a/f", digest=parse_digest(Q1)), PackageFile(path="/a/g")],
            [PackageDirectory(path="/a", mode=0o700, uid=1, gid=2), B],
            id="directory-and-file-again",
        ),
        pytest.param("F:a\nF:b\nM:0:0:755\nF:c\n", [], [A, B, C], id="directories-only"),
    ],
)
def test_rows_in_any_order_are_read_as_apk_does(
    rows: str, files: list[PackageFile], directories: list[PackageDirectory]
) -> None:
    package = parse_installed(f"P:x\nV:1\n{rows}\n".encode(), "db")["x"]
    assert list(package.files) == files
    assert list(package.directories) == directories


def test_file_names_are_bytes() -> None:
    package = parse_installed(b"P:x\nV:1\nT:\xff\nF:caf\xe9\nR:\xc3\xa9\n\n", "db")["x"]
    assert package.files[0].path.encode("utf-8", "surrogateescape") == b"/caf\xe9/\xc3\xa9"


KNOWN = "C A T U L o m c s f g P V S I t k q D p i r F R M a Z"
ACL = "uid:gid:octal mode"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param("P:x\nxyz\n\n", 2, "malformed field: 'xyz' (expected 'K:value')", id="no-colon"),
        pytest.param("P:x\nV\n\n", 2, "malformed field: 'V' (expected 'K:value')", id="one-letter"),
        pytest.param("P:x\nV:1\n\n P:y\n\n", 4, "malformed field: ' P:y' (expected 'K:value')", id="indented"),
        pytest.param("\x7fELF\0\1\n", 1, "malformed field: '\\x7fELF\\x00\\x01' (expected 'K:value')", id="binary"),
        pytest.param("P:x\nV:1\0\n", 2, "malformed field: 'V:1\\x00' (expected 'K:value')", id="nul"),
        pytest.param(
            "P:x\r\nV:1\r\n\r\n",
            1,
            "malformed field: 'P:x\\r' (expected 'K:value', and no carriage return at the end)",
            id="dos-line-ends",
        ),
        pytest.param("P:x\nV:1", 2, "the database is cut off: its last line has no end: 'V:1'", id="cut-off"),
        pytest.param(
            f"P:x\nV:1\nF:bin\nR:sh\nZ:{Q1[:9]}",
            5,
            f"the database is cut off: its last line has no end: 'Z:{Q1[:9]}'",
            id="cut-off-in-a-row",
        ),
        pytest.param("P:x\nA:y\n\n", 1, "a package without a version: no field 'V' for package 'x'", id="no-version"),
        pytest.param("P:w\nV:1\n\n\nV:1\n\n", 5, "a package without a name: no field 'P' for package", id="no-name"),
        pytest.param("F:bin\nR:sh\n\n", 1, "a package without a name: no field 'P' for package", id="files-only"),
        pytest.param("P:\nV:1\n\n", 1, "malformed field: 'P:' (expected 'P:' and one word)", id="empty-name"),
        pytest.param("P:x\nV:\n\n", 2, "malformed field: 'V:' (expected 'V:' and one word)", id="empty-version"),
        pytest.param("P:x\nV:1 2\n\n", 2, "malformed field: 'V:1 2' (expected 'V:' and one word)", id="two-versions"),
        pytest.param("P:x\nV:1\nI:4k\n\n", 3, "malformed field: 'I:4k' (expected 'I:' and digits)", id="no-number"),
        pytest.param("P:x\nV:1\nt:-1\n\n", 3, "malformed field: 't:-1' (expected 't:' and digits)", id="negative"),
        pytest.param(
            "P:x\nV:1\nD:a >= 1\n\n",
            3,
            "malformed field: 'D:a >= 1' (expected 'D:' and names with constraints, separated by spaces)",
            id="no-constraint",
        ),
        pytest.param(
            "P:x\nV:1\n\nP:y\nV:1\n\nP:x\nV:2\n\n", 7, "package 'x' is recorded twice (first in line 1)", id="twice"
        ),
        pytest.param("P:x\nV:1\nV:2\n\n", 3, "field 'V' is given twice: '2' and '1'", id="field-twice"),
        pytest.param(
            "P:x\nV:1\nw:new\n\n",
            3,
            f"unknown field: 'w:new' (expected one of {KNOWN}; a newer apk may have written it)",
            id="unknown-lower-case",
        ),
        pytest.param(
            "P:x\nV:1\nF:a\nW:new\n\n",
            4,
            f"unknown field: 'W:new' (expected one of {KNOWN}; a newer apk may have written it)",
            id="unknown-upper-case",
        ),
        pytest.param(
            "P:x\nV:1\nR:sh\n\n",
            3,
            "malformed field: 'R:sh' (expected 'R:name', below a directory 'F:')",
            id="file-before-directory",
        ),
        pytest.param(
            "P:x\nV:1\nF:a\nR:\n\n",
            4,
            "malformed field: 'R:' (expected 'R:name', below a directory 'F:')",
            id="file-without-name",
        ),
        pytest.param(
            "P:x\nV:1\nF:a\nM:0:0\n\n",
            4,
            f"malformed field: 'M:0:0' (expected 'M:{ACL}', behind 'F:')",
            id="no-mode",
        ),
        pytest.param(
            "P:x\nV:1\nF:a\nR:b\na:0:0:9\n\n",
            5,
            f"malformed field: 'a:0:0:9' (expected 'a:{ACL}', behind 'R:')",
            id="no-octal",
        ),
        pytest.param(
            "P:x\nV:1\nF:a\nR:b\na:root:0:755\n\n",
            5,
            f"malformed field: 'a:root:0:755' (expected 'a:{ACL}', behind 'R:')",
            id="no-number-for-owner",
        ),
        pytest.param(
            "P:x\nV:1\nF:a\na:0:0:755\n\n",
            4,
            f"malformed field: 'a:0:0:755' (expected 'a:{ACL}', behind 'R:')",
            id="file-acl-of-a-directory",
        ),
        pytest.param(
            "P:x\nV:1\nF:a\nR:b\nZ:Q1abc=\n\n",
            5,
            "malformed field: 'Z:Q1abc=' (expected 'Z:Q1...', a digest, behind 'R:')",
            id="no-digest",
        ),
        pytest.param(
            f"P:x\nV:1\nF:a\nZ:{Q1}\n\n",
            4,
            f"malformed field: 'Z:{Q1}' (expected 'Z:Q1...', a digest, behind 'R:')",
            id="digest-of-a-directory",
        ),
        pytest.param(
            "P:x\nV:1\nM:0:0:755\nF:a\n\n",
            3,
            f"malformed field: 'M:0:0:755' (expected 'M:{ACL}', behind 'F:')",
            id="acl-before-directory",
        ),
    ],
)
def test_garbage_is_told_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        parse_installed(text.encode(), "lib/apk/db/installed")
    assert str(caught.value) == f"lib/apk/db/installed:{line}: {problem}"


def test_a_long_malformed_line_is_shortened() -> None:
    with pytest.raises(DatabaseError) as caught:
        parse_installed(b"P:x\nV:1\nw" + b"x" * 1_000_000 + b"\n", "db")
    assert len(str(caught.value)) < 200


def test_lines_of_any_length() -> None:
    names = [f"so:lib{number}.so.1" for number in range(100_000)]
    packages = parse_installed(f"P:x\nV:1\np:{'=1 '.join(names)}=1\nT:{'t' * 10_000_000}\n\n".encode(), "db")
    assert len(packages["x"].description) == 10_000_000
    found = packages.satisfying("so:lib99999.so.1=1")
    assert found is not None
    assert found.package is packages["x"]


def test_many_files_in_one_package() -> None:
    rows = "".join(f"F:d{at}\n" + "".join(f"R:f{number}\nZ:{Q1}\n" for number in range(100)) for at in range(500))
    package = parse_installed(f"P:x\nV:1\n{rows}\n".encode(), "db")["x"]
    assert (len(package.files), len(package.directories)) == (50_000, 500)
    assert package.files[-1].path == "/d499/f99"
