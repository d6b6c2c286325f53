"""Documents of images: JSON from strangers, and the digests that name it.

Spec of digests: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from pytest_alpine.errors import DigestMismatch, MalformedImage
from pytest_alpine.image.spec.json_fields import field, parse_json

__all__ = ["DOCUMENT_LIMIT", "check_digest", "checked_digest", "digest_of", "field", "parse_json"]

DOCUMENT_LIMIT: Final = 8 << 20
"""Bytes that a manifest or configuration may have; containerd draws the same line."""

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def checked_digest(text: object, where: str) -> str:
    """Return *text*, which is a SHA-256 or SHA-512 digest; digests become file names, so nothing else may pass.

    Raises:
        MalformedImage: it is not; the message begins with *where*.
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
