"""Digests as the package database writes them, such as ``Q1`` and base64, or ``X1`` and hexadecimal digits."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Final, Literal

Algorithm = Literal["md5", "sha1", "sha256-160", "sha256"]

PATTERN: Final = r"(?:Q1[0-9A-Za-z+/]{27}=|Q2[0-9A-Za-z+/]{43}=|X1[0-9A-Fa-f]{40}|X2[0-9A-Fa-f]{64}|[0-9A-Fa-f]{32})"
"""A regular expression of all forms."""

_DIGEST: Final = re.compile(PATTERN)
_SHA1_BYTES: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """The digest of a file's content, of a symbolic link's target, or of a whole package."""

    algorithm: Algorithm
    """``sha256-160`` is the first 20 bytes of SHA-256; apk-tools before version 2 used ``md5``."""
    value: bytes

    def matches(self, data: bytes) -> bool:
        """Whether this is the digest of *data*."""
        name = self.algorithm.partition("-")[0]
        return hashlib.new(name, data, usedforsecurity=False).digest()[: len(self.value)] == self.value

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value.hex()}"


def parse_digest(text: str, *, truncated_sha256: bool = False) -> Digest | None:
    """Return the digest that *text* spells, or None if it is not a digest.

    Args:
        text: ``Q1...``, ``Q2...``, ``X1...``, ``X2...``, or 32 hexadecimal digits.
        truncated_sha256: whether 20 bytes are a part of SHA-256, as in packages with the flag ``S``, and not SHA-1.
    """
    if not _DIGEST.fullmatch(text):
        return None
    digits = text.removeprefix("X1").removeprefix("X2")
    value = base64.b64decode(text[2:]) if text[0] == "Q" else bytes.fromhex(digits)
    return Digest(algorithm=_algorithm(len(value), truncated_sha256=truncated_sha256), value=value)


def _algorithm(length: int, *, truncated_sha256: bool) -> Algorithm:
    if length == _SHA1_BYTES:
        return "sha256-160" if truncated_sha256 else "sha1"
    return "md5" if length < _SHA1_BYTES else "sha256"
