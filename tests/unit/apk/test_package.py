from __future__ import annotations

import copy
import pickle

import pytest

from pytest_alpine.apk.constraint import Constraint
from pytest_alpine.apk.installed import parse_installed
from pytest_alpine.apk.package import Package, Packages
from pytest_alpine.errors import AlpineError, InvalidConstraint, PackageNotInstalled

IDENTITY = "Q1qKcZ+j23xssAXmgQhkOO8dHnbWw="

DATABASE = f"""\
C:{IDENTITY}
P:musl
V:1.2.5-r0
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
R:libc.musl-x86_64.so.1

P:musl-utils
V:1.2.5-r0
p:libc-utils=1.2.5-r1 cmd:ldd=1.2.5-r0
F:
R:root-file
F:usr
F:usr/bin
R:ldd

P:busybox-binsh
V:1.36.1-r29
p:/bin/sh cmd:sh=1.36.1-r29
F:bin
R:sh

P:dash
V:0.5.12-r2
p:/bin/sh cmd:dash=0.5.12-r2
F:bin
R:dash

"""


@pytest.fixture(scope="module")
def packages() -> Packages:
    return parse_installed(DATABASE.encode(), "db")


def test_a_mapping_by_real_names(packages: Packages) -> None:
    assert list(packages) == ["musl", "musl-utils", "busybox-binsh", "dash"]
    assert len(packages) == 4
    assert "musl" in packages
    assert "libc-utils" not in packages
    assert packages.get("bash") is None
    assert packages == {package.name: package for package in packages.values()}
    assert repr(packages) == "<Packages musl-1.2.5-r0 musl-utils-1.2.5-r0 busybox-binsh-1.36.1-r29 dash-0.5.12-r2>"
    assert Packages() == {}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mulsl", " (nearest: musl)"),
        ("libc-utils", " (provided by musl-utils-1.2.5-r0)"),
        ("/bin/sh", " (provided by busybox-binsh-1.36.1-r29, dash-0.5.12-r2)"),
        ("xyzzy", ""),
    ],
)
def test_a_missing_name_is_told_with_what_is_near(packages: Packages, name: str, hint: str) -> None:
    with pytest.raises(PackageNotInstalled) as caught:
        packages[name]
    assert str(caught.value) == f"package not installed: {name!r}{hint}"
    assert isinstance(caught.value, AlpineError)
    assert isinstance(caught.value, KeyError)


def test_a_missing_key_that_is_no_name(packages: Packages) -> None:
    with pytest.raises(PackageNotInstalled, match=r"^package not installed: 3$"):
        packages[3]  # type: ignore[index]
    assert packages.__contains__(3) is False


@pytest.mark.parametrize(
    ("constraint", "name", "provide"),
    [
        ("musl", "musl", ""),
        ("musl>=1.2", "musl", ""),
        ("musl~1.2", "musl", ""),
        ("musl>1.3", None, ""),
        (f"musl><{IDENTITY}", "musl", ""),
        (f"musl-utils><{IDENTITY}", None, ""),
        (f"libc-utils><{IDENTITY}", None, ""),
        ("musl@edge", "musl", ""),
        ("libc-utils", "musl-utils", "libc-utils=1.2.5-r1"),
        ("libc-utils=1.2.5-r1", "musl-utils", "libc-utils=1.2.5-r1"),
        ("libc-utils=1.2.5-r0", None, ""),
        ("so:libc.musl-x86_64.so.1", "musl", "so:libc.musl-x86_64.so.1=1"),
        ("so:libc.musl-x86_64.so.1>1", None, ""),
        ("cmd:sh", "busybox-binsh", "cmd:sh=1.36.1-r29"),
        ("cmd:bash", None, ""),
        ("/bin/sh", "busybox-binsh", "/bin/sh"),
        ("/bin/sh>9", "busybox-binsh", "/bin/sh"),
        ("bash", None, ""),
    ],
)
def test_who_satisfies_a_constraint(packages: Packages, constraint: str, name: str | None, provide: str) -> None:
    for asked in (constraint, Constraint.parse(constraint), f"!{constraint}"):
        found = packages.satisfying(asked)
        assert (found and found.package.name) == name
        assert str((found and found.provide) or "") == provide
    assert packages.satisfy(constraint) is (name is not None)
    assert packages.satisfy(Constraint.parse(f"!{constraint}")) is (name is None)


def test_a_text_that_is_no_constraint(packages: Packages) -> None:
    with pytest.raises(InvalidConstraint):
        packages.satisfying("musl >= 1")
    with pytest.raises(InvalidConstraint):
        packages.satisfy("")


def test_providers(packages: Packages) -> None:
    found = packages.providers("/bin/sh")
    assert [provider.package.name for provider in found] == ["busybox-binsh", "dash"]
    assert [provider.version for provider in found] == [None, None]
    (own,) = packages.providers("musl")
    assert (own.provide, own.version) == (None, packages["musl"].version)
    (other,) = packages.providers("libc-utils")
    assert str(other.version) == "1.2.5-r1"
    assert packages.providers("bash") == ()


def test_the_package_of_a_name_comes_before_those_that_provide_it() -> None:
    packages = parse_installed(b"P:a\nV:1\np:b=9\n\nP:b\nV:2\np:b=3 c c=1\n\n", "db")
    assert [str(provider.version) for provider in packages.providers("b")] == ["2", "9", "3"]
    assert [str(provider.version) for provider in packages.providers("c")] == ["None", "1"]
    found = packages.satisfying("b>2.5")
    assert found is not None
    assert (found.package.name, str(found.provide)) == ("a", "b=9")


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/bin/sh", "busybox-binsh"),
        ("bin/sh", "busybox-binsh"),
        ("/root-file", "musl-utils"),
        ("/usr/bin/ldd", "musl-utils"),
        ("/usr/bin", None),
        ("/bin/bash", None),
        ("/", None),
        ("", None),
    ],
)
def test_owner(packages: Packages, path: str, owner: str | None) -> None:
    found = packages.owner(path)
    assert (found and found.name) == owner


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("muls", ("musl",)),
        ("busybox", ("busybox-binsh",)),
        ("cmd:bash", ("cmd:dash", "cmd:sh")),
        ("cmd:xz", ()),
        ("so:libc.musl-aarch64.so.1", ("so:libc.musl-x86_64.so.1",)),
        ("dahs", ("dash",)),
        ("xyzzy", ()),
        ("", ()),
    ],
)
def test_nearest_names_are_of_one_kind(packages: Packages, name: str, nearest: tuple[str, ...]) -> None:
    assert packages.nearest(name) == nearest
    assert packages.nearest(name, 1) == nearest[:1]


def test_packages_are_values(packages: Packages) -> None:
    again = parse_installed(DATABASE.encode(), "db")
    assert packages == again
    assert hash(packages["musl"]) == hash(again["musl"])
    assert packages["musl"] != packages["dash"]
    assert (str(packages["musl"]), repr(packages["musl"])) == ("musl-1.2.5-r0", "<Package musl-1.2.5-r0>")
    with pytest.raises(AttributeError):
        packages["musl"].rows = ""  # type: ignore[misc]
    assert len(packages["musl"].files) == 2
    for package in (copy.copy(packages["musl"]), pickle.loads(pickle.dumps(packages["musl"]))):
        assert isinstance(package, Package)
        assert package == packages["musl"]
        assert package.files == packages["musl"].files
