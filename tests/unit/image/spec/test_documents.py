from __future__ import annotations

import pytest

from pytest_alpine.errors import MalformedImage
from pytest_alpine.image.spec.documents import field, parse_json


def test_an_object() -> None:
    assert parse_json(b'{"a": [1, "\\ud800"]}', "x") == {"a": [1, "\ud800"]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"nonsense", "x: not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"[]", "x: a JSON list (expected an object)"),
        (b"null", "x: a JSON NoneType (expected an object)"),
    ],
    ids=["text", "array", "null"],
)
def test_no_object(data: bytes, message: str) -> None:
    with pytest.raises(MalformedImage) as caught:
        parse_json(data, "x")
    assert str(caught.value) == message


def test_fields() -> None:
    document = {"text": "a", "number": 3, "array": [1], "object": {"b": 1}, "null": None, "empty": ""}
    assert field(document, "text", str, "x") == "a"
    assert field(document, "number", int, "x") == 3
    assert field(document, "array", list, "x") == [1]
    assert field(document, "object", dict, "x") == {"b": 1}
    assert field(document, "null", str, "x", "default") == "default"
    assert field(document, "missing", list, "x", []) == []
    assert field(document, "empty", str, "x", "default") == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "x: field 'missing' is missing (expected a number)"),
        ("null", "x: field 'null' is None (expected a number)"),
        ("text", "x: field 'text' is 'aaa (expected a number)"),
        ("boolean", "x: field 'boolean' is True (expected a number)"),
    ],
)
def test_fields_of_another_kind(name: str, message: str) -> None:
    document = {"null": None, "text": "a" * 500, "boolean": True}
    with pytest.raises(MalformedImage) as caught:
        field(document, name, int, "x")
    expected = message.replace("'aaa", "'" + "a" * 79)
    assert str(caught.value) == expected
