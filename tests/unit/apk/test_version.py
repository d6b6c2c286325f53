from __future__ import annotations

import copy
import pickle

import pytest

from pytest_alpine.apk.version import Version
from pytest_alpine.errors import AlpineError, InvalidVersion

GRAMMAR = "number{.number}[letter]{_suffix[number]}[~hash][-rnumber]"


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        pytest.param("1.2.4-r9", "1.2.4_git20230717-r4", id="suffix-beats-revision"),
        pytest.param("3.21.0_alpha20240923", "3.21.0", id="alpha-before-release"),
        pytest.param("1.0_alpha", "1.0_beta", id="alpha-beta"),
        pytest.param("1.0_beta9", "1.0_pre", id="beta-pre"),
        pytest.param("1.0_pre", "1.0_rc", id="pre-rc"),
        pytest.param("1.0_rc", "1.0", id="rc-release"),
        pytest.param("1.0", "1.0_cvs", id="release-cvs"),
        pytest.param("1.0_cvs", "1.0_svn", id="cvs-svn"),
        pytest.param("1.0_svn", "1.0_git", id="svn-git"),
        pytest.param("1.0_git", "1.0_hg", id="git-hg"),
        pytest.param("1.0_hg", "1.0_p", id="hg-p"),
        pytest.param("1.0_p", "1.0_p1", id="suffix-without-number"),
        pytest.param("1.0_p9", "1.0_p10", id="suffix-number-is-a-number"),
        pytest.param("1.0_p1_rc", "1.0_p1", id="second-suffix-before-release"),
        pytest.param("1.0_p1", "1.0_p_p", id="suffix-number-before-second-suffix"),
        pytest.param("1.0-r9", "1.0-r10", id="revision-is-a-number"),
        pytest.param("1.0", "1.0-r0", id="revision-counts"),
        pytest.param("1.0-r0", "1.0~ab", id="hash-after-revision"),
        pytest.param("1.0~ab", "1.0~abc", id="hash-is-text"),
        pytest.param("1.0~ab-r9", "1.0~b-r0", id="hash-before-revision"),
        pytest.param("1.0~ffff", "1.0_p", id="suffix-after-hash"),
        pytest.param("1.0_p", "1.0a", id="letter-after-suffix"),
        pytest.param("1.0a", "1.0b", id="letters"),
        pytest.param("1.0z", "1.0.0", id="number-after-letter"),
        pytest.param("1.9", "1.10", id="numbers-are-numbers"),
        pytest.param("1.0", "1.00", id="zeros-are-text"),
        pytest.param("1.01", "1.1", id="leading-zero-is-text"),
        pytest.param("1.09", "1.1", id="leading-zero-with-any"),
        pytest.param("8.2.0", "8.2.001", id="zero-before-zeros"),
        pytest.param("1.0010", "1.002", id="two-leading-zeros"),
        pytest.param("9", "10", id="first-numbers"),
        pytest.param("18446744073709551616", "1", id="first-number-wraps"),
        pytest.param("1.18446744073709551617", "1.2", id="later-number-wraps"),
        pytest.param("1-r18446744073709551616", "1-r1", id="revision-wraps"),
    ],
)
def test_order(smaller: str, larger: str) -> None:
    left, right = Version(smaller), Version(larger)
    assert left < right
    assert left <= right
    assert right > left
    assert right >= left
    assert left != right
    assert not left > right
    assert not left >= right


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param("10", "010", id="first-number-is-a-number"),
        pytest.param("1_p1", "1_p01", id="suffix-number"),
        pytest.param("1-r1", "1-r01", id="revision"),
        pytest.param("0", "18446744073709551616", id="wrapped"),
        pytest.param("1" + "0" * 5000, "0", id="wrapped-far"),
    ],
)
def test_equal_versions_have_one_hash_and_keep_their_texts(left: str, right: str) -> None:
    assert Version(left) == Version(right)
    assert hash(Version(left)) == hash(Version(right))
    assert Version(left) <= Version(right) <= Version(left)
    assert (str(Version(left)), str(Version(right))) == (left, right)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("", ""),
        ("abc", ""),
        (".1", ""),
        ("-r1", ""),
        ("v1.2", ""),
        ("1.", "."),
        ("1..2", "..2"),
        ("1.2.x", ".x"),
        ("1.0bc", "c"),
        ("1.0a1", "1"),
        ("1.0A", "A"),
        ("1.0_", "_"),
        ("1.0_foo", "_foo"),
        ("1.0_alphax", "_alphax"),
        ("1.0_p1a", "a"),
        ("1.0~", "~"),
        ("1.0~xyz", "~xyz"),
        ("1.0~ab~cd", "~cd"),
        ("1.0-r", "-r"),
        ("1.0-1", "-1"),
        ("1.0-r1-r2", "-r2"),
        ("1.0-r1_p1", "_p1"),
        ("1:1.0", ":1.0"),
        ("1.0 ", " "),
        ("1.0\n", "\n"),
        ("1.\u0662", ".\u0662"),
    ],
    ids=repr,
)
def test_invalid_text_is_told_from_where_on(text: str, rest: str) -> None:
    where = f"; cannot read {rest!r}" if rest else ""
    with pytest.raises(InvalidVersion) as caught:
        Version(text)
    assert str(caught.value) == f"invalid version: {text!r} (expected {GRAMMAR}{where})"
    assert isinstance(caught.value, (AlpineError, ValueError))
    with pytest.raises(InvalidVersion):
        Version.parse(text)


def test_a_number_is_no_version() -> None:
    with pytest.raises(InvalidVersion) as caught:
        Version(3.20)  # type: ignore[arg-type]  # what a YAML file without quotes gives
    assert str(caught.value) == "invalid version: 3.2 (expected a text, such as '3.2')"


def test_a_long_text_is_shortened_in_the_message() -> None:
    with pytest.raises(InvalidVersion) as caught:
        Version("1." + "x" * 100_000)
    assert len(str(caught.value)) < 400


def test_text_compares_as_the_version_it_spells() -> None:
    version = Version("1.2.5-r0")
    assert version == "1.2.5-r0"
    assert version == "01.2.5-r00"
    assert version != "1.2.5"
    assert version != "1.2.x"
    assert "1.2" < version <= "1.2.5-r0"
    assert version >= "1.2"
    assert version > "1.2"
    assert not version < "1.2"
    with pytest.raises(InvalidVersion, match=r"invalid version: 'latest'"):
        _ = version >= "latest"


def test_other_types_do_not_compare() -> None:
    assert Version("1") != 1
    assert Version("1") != None  # noqa: E711 - the comparison is what is tested
    for compare in (Version.__lt__, Version.__le__, Version.__gt__, Version.__ge__):
        assert compare(Version("1"), 1) is NotImplemented  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("version", "prefix", "matches"),
    [
        ("3.3.2-r1", "3.3", True),
        ("3.3", "3.3", True),
        ("3.30", "3.3", False),
        ("3", "3.3", False),
        ("3.3_rc1", "3.3", True),
        ("3.3a", "3.3", True),
        ("3.3_git2", "3.3_git", True),
        ("3.3_git20", "3.3_git2", False),
        ("3.3-r1", "3.3-r1", True),
        ("3.3-r10", "3.3-r1", False),
        ("3.3~ab-r1", "3.3~ab", True),
        ("3.3~abc", "3.3~ab", False),
        ("03.3", "3", True),
        ("3.3.x", "3.3", True),
        ("3.3", "3.x", False),
        ("3.x", "3.y", True),
    ],
)
def test_beginning(version: str, prefix: str, matches: bool) -> None:
    assert Version.lenient(version).starts_with(Version.lenient(prefix)) is matches


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [("1.0bc", "1.0b"), ("1.0b", "1.0c?"), ("23_foo", "23"), ("23_alpha", "23_foo"), ("", "0"), ("x", "0_alpha")],
)
def test_odd_versions_are_ordered_by_what_can_be_read(smaller: str, larger: str) -> None:
    assert Version.lenient(smaller) < Version.lenient(larger)
    assert not Version.lenient(smaller) >= Version.lenient(larger)


def test_odd_versions_that_read_alike_are_equal() -> None:
    left, right = Version.lenient("1.0b?"), Version.lenient("1.0b!")
    assert left == right
    assert hash(left) == hash(right)
    assert not left.is_valid
    assert left == "1.0b?"
    assert left != "1.0b!"
    assert (str(left), repr(left)) == ("1.0b?", "Version('1.0b?')")
    assert Version.lenient("1.2").is_valid
    assert Version.lenient("1.2") == Version("1.2")


def test_versions_are_frozen_and_can_be_copied() -> None:
    version = Version("1.2.4_git20230717-r4")
    with pytest.raises(AttributeError):
        version.text = "2"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(version)) == copy.copy(version) == copy.deepcopy(version) == version
    assert min(map(Version, ["1.10", "1.9", "1.9_rc1"])).text == "1.9_rc1"
