"""The documents of an image: JSON from strangers, each field checked before it is used, and the digests that name it.

Spec of digests: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final, TypeVar

from pytest_alpine.errors import DigestMismatch, MalformedImage

Value = TypeVar("Value", str, int, "dict[str, Any]", "list[Any]")

DOCUMENT_LIMIT: Final = 8 << 20
"""Bytes that a manifest or configuration may have; containerd draws the same line."""

_JSON_NAMES: Final = {dict: "an object", list: "an array", str: "a string", int: "a number"}
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """Return the JSON object in *data*.

    Raises:
        MalformedImage: *data* is no JSON object; the message begins with *where*.
    """
    try:
        value = json.loads(data)
    # A thousand nested arrays exhaust the interpreter's stack.
    except (ValueError, RecursionError) as error:
        raise MalformedImage(f"{where}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedImage(f"{where}: a JSON {type(value).__name__} (expected an object)")
    return value


def field(document: dict[str, Any], name: str, kind: type[Value], where: str, default: Value | None = None) -> Value:
    """Return the field *name* of *document*, which must be of *kind*; *default* replaces a missing or null one.

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


def checked_digest(text: object, where: str) -> str:
    """Return *text* if it is a SHA-256 or SHA-512 digest. Digests become file names, so nothing else may pass.

    Raises:
        MalformedImage: it is no digest; the message begins with *where*.
    """
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise MalformedImage(f"{where}: invalid digest {text!r:.150} (expected sha256: and 64 hexadecimal digits)")
    return text


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of *data*, such as ``sha256:...``."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def check_digest(where: str, what: str, expected: str | None, actual: str) -> None:
    """Compare two digests.

    Raises:
        DigestMismatch: they differ, and *expected* is not None; the message begins with *where*.
    """
    if expected is not None and expected != actual:
        raise DigestMismatch(
            f"{where}: the {what} is {actual}, expected {expected}: the bytes were damaged or replaced on their way"
        )
