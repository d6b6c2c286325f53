"""Documents: JSON from strangers, of which every field is looked at before it is used, and files for users."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_alpine.errors import AlpineError, MalformedImage

if TYPE_CHECKING:
    from pathlib import Path

Value = TypeVar("Value", str, int, "dict[str, Any]", "list[Any]")

_JSON_NAMES: Final = {dict: "an object", list: "an array", str: "a string", int: "a number"}


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """Return the JSON object in *data*.

    Raises:
        MalformedImage: *data* is no JSON object; the message begins with *where*.
    """
    try:
        value = json.loads(data)
    # Text that nests a thousand arrays ends the interpreter's stack, not the parser's patience.
    except (ValueError, RecursionError) as error:
        raise MalformedImage(f"{where}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedImage(f"{where}: a JSON {type(value).__name__} (expected an object)")
    return value


def field(document: dict[str, Any], name: str, kind: type[Value], where: str, default: Value | None = None) -> Value:
    """Return the field *name* of *document*, which is of *kind*; *default* stands in for a missing or null one.

    Raises:
        MalformedImage: the field is missing and has no default, or is of another kind; the message begins with
            *where*.
    """
    value = document.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        shown = "missing" if name not in document else f"{value!r:.80}"
        raise MalformedImage(f"{where}: field {name!r} is {shown} (expected {_JSON_NAMES[kind]})")
    return value


def write_document(path: Path, text: str) -> None:
    """Write *text* to *path*, in folders that are made.

    Raises:
        AlpineError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise AlpineError(f"cannot write {path}: {reason}; name a file in a folder that can be written") from error
