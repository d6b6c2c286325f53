"""The order of versions: the laws of an order, and agreement with the plain algorithm on pairs."""

from __future__ import annotations

from hypothesis import example, given, strategies as st

from pytest_alpine.apk.constraint import Constraint
from pytest_alpine.apk.version import Version
from tests.property.versions import compare, odd_versions, versions


@given(versions())
def test_text_comes_back(text: str) -> None:
    assert str(Version(text)) == text
    assert Version(text).is_valid
    assert Version(text) == Version.parse(text) == Version.lenient(text) == text


@given(odd_versions(), odd_versions())
@example("1.0", "1.0_rc1")
@example("1.18446744073709551616", "1.0")
@example("1.0bc", "1.0b")
def test_order_is_that_of_the_algorithm_on_pairs(left: str, right: str) -> None:
    found, expected = (Version.lenient(left), Version.lenient(right)), compare(left, right)
    assert (found[0] > found[1]) - (found[0] < found[1]) == expected
    assert (found[0] == found[1]) == (expected == 0)
    assert compare(right, left) == -expected


@given(odd_versions(), odd_versions())
@example("1.2.3", "1.2")
@example("1.2", "1.2.3")
def test_beginning_is_that_of_the_algorithm_on_pairs(left: str, right: str) -> None:
    assert Version.lenient(left).starts_with(Version.lenient(right)) == (compare(left, right, fuzzy=True) == 0)


@given(st.lists(odd_versions().map(Version.lenient), min_size=3, max_size=3))
def test_order_is_total(found: list[Version]) -> None:
    smallest, middle, largest = sorted(found)
    assert smallest <= middle <= largest
    assert smallest <= largest
    assert (smallest == largest) == (smallest == middle == largest)
    for left in found:
        for right in found:
            assert (left < right) + (left == right) + (left > right) == 1
            assert (left <= right) == (not right < left)
            assert left != right or hash(left) == hash(right)


@given(versions(), versions(), st.sampled_from(["=", "<", ">", "<=", ">=", "~", "<~", ">~", "<>="]))
def test_operators_ask_for_any_of_their_signs(version: str, operand: str, operator: str) -> None:
    found = compare(version, operand, fuzzy="~" in operator)
    signs = operator.replace("~", "=")
    assert Constraint.parse(f"x{operator}{operand}").satisfied_by(Version(version)) == ("<=>"[found + 1] in signs)
