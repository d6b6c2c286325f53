"""Any text or bytes: a value, or one of our own errors, never anything else."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hypothesis import given, strategies as st

from pytest_alpine.apk.constraint import Constraint
from pytest_alpine.apk.database import parse_world
from pytest_alpine.apk.installed import parse_installed
from pytest_alpine.apk.repositories import RepositoryParser
from pytest_alpine.apk.version import Version
from pytest_alpine.errors import DatabaseError, InvalidConstraint, InvalidVersion
from tests.property.versions import versions

if TYPE_CHECKING:
    from pytest_alpine.apk.package import Package

NAMES = st.text("abz019._+-:/[", min_size=1, max_size=8)
CONSTRAINTS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "!"]),
        NAMES,
        st.sampled_from(["", "", "@edge"]),
        st.text("<>=~ ", max_size=2),
        versions(),
    ),
)
FIELDS = st.builds(
    "{}{}{}".format, st.sampled_from("CPVASITULomtckDpigrqsfFRMaZwW"), st.sampled_from("::::: "), st.text(max_size=9)
)
ROWS = st.sampled_from(
    ["F:", "F:bin", "M:0:0:755", "R:sh", "a:0:0:4755", "Z:Q1SLkS9hBidUbPwwrw+XR0Whv3ww8=", "R:x", ""]
)
LINES = st.lists(st.one_of(FIELDS, ROWS, st.sampled_from(["P:x", "V:1", "D:a b>1 !c", "p:d=1"])), max_size=12)


def used(package: Package) -> None:
    """Derive everything from *package*: whatever the parser lets in can be read."""
    assert package.name
    assert str(package.version)
    _ = (package.arch, package.origin, package.license, package.description, package.url, package.maintainer)
    _ = (package.commit, package.installed_size, package.package_size, package.build_time, package.checksum)
    _ = (package.provider_priority, package.replaces_priority, package.flags, package.tag, package.tags)
    _ = (package.depends, package.provides, package.install_if, package.replaces)
    assert package.rows.count("\nR:") <= len(package.files) <= package.rows.count("R:")
    assert all(file.path.startswith("/") for file in package.files)
    assert all(directory.path.startswith("/") for directory in package.directories)
    assert hash(package) == hash(package)


@given(st.text())
def test_versions(text: str) -> None:
    with contextlib.suppress(InvalidVersion):
        assert str(Version(text)) == text
    assert str(Version.lenient(text)) == text


@given(st.one_of(st.text(), CONSTRAINTS))
def test_constraints(text: str) -> None:
    with contextlib.suppress(InvalidConstraint):
        found = Constraint.parse(text)
        assert str(found) == text
        assert Constraint.parse(str(found)) == found
        assert (
            found.satisfied_by("1") != Constraint.parse("!" + text.removeprefix("!")).satisfied_by("1")
            or found.conflict
        )


@given(st.one_of(st.binary(), st.text().map(str.encode), LINES.map(lambda lines: "\n".join(lines).encode() + b"\n")))
def test_databases(data: bytes) -> None:
    with contextlib.suppress(DatabaseError):
        packages = parse_installed(data, "db")
        for package in packages.values():
            used(package)
            assert packages.satisfy(package.depends[0]) in {True, False} if package.depends else True
            assert packages.owner(package.files[0].path) is not None if package.files else True
        assert packages.nearest("musl") is not None
        assert parse_installed(data + b"\n", "db") == packages


@given(st.integers(0, 300), st.binary(max_size=3))
def test_a_damaged_database_is_read_or_refused(at: int, damage: bytes) -> None:
    data = b"P:a\nV:1.2-r3\nD:b>=2 so:c.so.1\np:d=1\nF:bin\nM:0:0:1777\nR:sh\na:0:0:777\n\n" * 1
    with contextlib.suppress(DatabaseError):
        for package in parse_installed(data[:at] + damage + data[at + 1 :], "db").values():
            used(package)


@given(st.one_of(st.binary(), st.lists(CONSTRAINTS).map(lambda found: "\n".join(found).encode())))
def test_world(data: bytes) -> None:
    with contextlib.suppress(DatabaseError):
        assert " ".join(map(str, parse_world(data, "world"))).split() == data.decode("utf-8", "surrogateescape").split()


WORDS = st.sampled_from(
    ["set", "-default", "a=${a}${b}", "${a}", "default", "v2", "v3", "ndx", "@x", "/p", "https://x/", "main", "#"]
)


@given(st.one_of(st.text(), st.lists(st.lists(WORDS).map(" ".join)).map("\n".join)))
def test_repositories(text: str) -> None:
    with contextlib.suppress(DatabaseError):
        for repository in RepositoryParser(arch=lambda: "x86").parse(text, "repositories"):
            assert (repository.branch == "") == (repository.component == "")
            assert repository.url
