from __future__ import annotations

import pytest

from pytest_alpine.apk.constraint import Constraint
from pytest_alpine.apk.digest import parse_digest
from pytest_alpine.apk.version import Version
from pytest_alpine.errors import AlpineError, InvalidConstraint, InvalidVersion

IDENTITY = "Q1qKcZ+j23xssAXmgQhkOO8dHnbWw="


@pytest.mark.parametrize(
    ("text", "name", "version", "tag", "conflict"),
    [
        ("musl", "musl", ("", ""), "", False),
        ("curl>=8.5", "curl", (">=", "8.5"), "", False),
        ("openssl~3.3", "openssl", ("~", "3.3"), "", False),
        ("openssl=~3.3", "openssl", ("=~", "3.3"), "", False),
        ("openssl~=3.3", "openssl", ("~=", "3.3"), "", False),
        ("openssl<~3.3", "openssl", ("<~", "3.3"), "", False),
        ("openssl>~3.3", "openssl", (">~", "3.3"), "", False),
        ("git=2.45~abc-r1", "git", ("=", "2.45~abc-r1"), "", False),
        (f"local><{IDENTITY}", "local", ("><", IDENTITY), "", False),
        ("!bash", "bash", ("", ""), "", True),
        ("!bash<5", "bash", ("<", "5"), "", True),
        ("curl@edge", "curl", ("", ""), "edge", False),
        ("!curl@edge>=8", "curl", (">=", "8"), "edge", True),
        ("so:libz.so.1", "so:libz.so.1", ("", ""), "", False),
        ("so:libc++.so.1=1", "so:libc++.so.1", ("=", "1"), "", False),
        ("cmd:[", "cmd:[", ("", ""), "", False),
        ("pc:gtk+-3.0>=3.24", "pc:gtk+-3.0", (">=", "3.24"), "", False),
        ("py3.12:pip", "py3.12:pip", ("", ""), "", False),
        ("/bin/sh", "/bin/sh", ("", ""), "", False),
        (".build-deps=20260616.002526", ".build-deps", ("=", "20260616.002526"), "", False),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_parts(text: str, name: str, version: tuple[str, str], tag: str, conflict: bool) -> None:
    found = Constraint.parse(text)
    assert (found.name, (found.operator, found.operand)) == (name, version)
    assert (found.tag, found.conflict) == (tag, conflict)
    assert str(found) == text
    assert found == Constraint.lenient(text)
    assert hash(found) == hash(Constraint.lenient(text))


GRAMMAR = "number{.number}[letter]{_suffix[number]}[~hash][-rnumber]"
FIRST = "expected a package name first, such as 'musl', 'curl>=8.5' or '!bash'"
NAMED = "expected a package name of letters, digits and ._+-, or a namespace first as in 'cmd:sh'"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", FIRST),
        ("  ", FIRST),
        ("!", FIRST),
        ("!!bash", FIRST),
        (">=8", FIRST),
        ("@edge", FIRST),
        ("curl >= 8", "expected no spaces: 'curl>=8'"),
        ("curl>= 8", "expected no spaces: 'curl>=8'"),
        (" curl\n", "expected no spaces: 'curl'"),
        ("curl wget", "expected one constraint, without spaces"),
        ("curl>=8 wget", "expected one constraint, without spaces"),
        ("curl>=", "expected a version after '>='"),
        ("curl==", "expected a version after '=='"),
        ("curl@", "expected one tag after '@': 'name@tag'"),
        ("curl@a@b", "expected one tag after '@': 'name@tag'"),
        ("curl>=8.x", f"after '>=': invalid version: '8.x' (expected {GRAMMAR}; cannot read '.x')"),
        ("curl=latest", f"after '=': invalid version: 'latest' (expected {GRAMMAR})"),
        ("curl,wget", f"{NAMED}; found 'curl,wget'"),
        ("caf\u00e9", f"{NAMED}; found 'caf\u00e9'"),
        ("-curl", f"{NAMED}; found '-curl'"),
        ("cmd:", f"{NAMED}; found 'cmd:'"),
        ("x><1.2", "expected a package's identity hash after '><', such as 'Q1' and 28 characters of base64"),
        (8, "expected a text, such as 'musl' or 'curl>=8.5'"),
    ],
    ids=repr,
)
def test_bad_input_is_told_what_was_expected(text: str, problem: str) -> None:
    with pytest.raises(InvalidConstraint) as caught:
        Constraint.parse(text)
    assert str(caught.value) == f"invalid constraint: {text!r} ({problem})"
    assert isinstance(caught.value, (AlpineError, ValueError))


@pytest.mark.parametrize("text", ["caf\u00e9", "curl>=8.x", "curl=", "x><1.2", "-curl"])
def test_databases_may_hold_what_people_may_not_write(text: str) -> None:
    assert str(Constraint.lenient(text)) == text


@pytest.mark.parametrize("text", ["", "!", "=1", "a b", "@x", "a@", "a@b@c", "a=1 b"])
def test_what_has_no_shape_of_a_constraint(text: str) -> None:
    with pytest.raises(InvalidConstraint):
        Constraint.lenient(text)


@pytest.mark.parametrize(
    ("operator", "below", "equal", "beginning", "above"),
    [
        ("", True, True, True, True),
        ("=", False, True, False, False),
        ("<", True, False, False, False),
        (">", False, False, True, True),
        ("<=", True, True, False, False),
        (">=", False, True, True, True),
        ("=>", False, True, True, True),
        ("~", False, True, True, False),
        ("=~", False, True, True, False),
        ("~=", False, True, True, False),
        ("<~", True, True, True, False),
        (">~", False, True, True, True),
        ("<>=", True, True, True, True),
        ("==", False, True, False, False),
    ],
)
def test_operators(operator: str, below: bool, equal: bool, beginning: bool, above: bool) -> None:
    constraint = Constraint.parse(f"x{operator}{'2.5' if operator else ''}")
    against = Constraint.parse(f"!{constraint}")
    for version, meets in {"2.4.9": below, "2.5": equal, "2.5.1-r0": beginning, "2.6": above}.items():
        assert constraint.allows(Version(version)) is meets
        assert constraint.satisfied_by(Version(version)) is meets
        assert constraint.satisfied_by(version) is meets
        assert against.allows(version) is meets
        assert against.satisfied_by(version) is not meets
    # A name that is provided without a version.
    assert constraint.satisfied_by(None)
    assert not against.satisfied_by(None)


def test_identity_names_one_package() -> None:
    this, other = parse_digest(IDENTITY), parse_digest("X1" + "00" * 20)
    for constraint in (Constraint.parse(f"x><{IDENTITY}"), Constraint.parse(f"x<>{IDENTITY}")):
        assert constraint.satisfied_by(Version("1"), this)
        assert not constraint.satisfied_by(Version("1"), other)
        assert not constraint.satisfied_by(Version("1"))
        assert not constraint.satisfied_by(None)
    assert not Constraint.lenient("x><1").satisfied_by(Version("1"), this)
    assert Constraint.parse(f"!x><{IDENTITY}").satisfied_by(Version("1"), other)


def test_a_version_given_as_text_must_be_one() -> None:
    with pytest.raises(InvalidVersion):
        Constraint.parse("x>1").satisfied_by("latest")


def test_odd_versions_are_compared_by_what_can_be_read() -> None:
    assert Constraint.parse("x>=1.0").satisfied_by(Version.lenient("1.1.x"))
    assert Constraint.lenient("x=1.x").satisfied_by(Version.lenient("1.y"))
