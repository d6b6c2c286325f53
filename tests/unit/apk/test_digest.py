from __future__ import annotations

import base64
import hashlib

import pytest

from pytest_alpine.apk.digest import Digest, parse_digest
from pytest_alpine.quoting import quoted

DATA = b"/bin/busybox"
SHA1, SHA256 = hashlib.sha1(DATA), hashlib.sha256(DATA)


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("text", "truncated", "algorithm"),
    [
        pytest.param("Q1" + in_base64(SHA1.digest()), False, "sha1", id="Q1"),
        pytest.param("Q1" + in_base64(SHA256.digest()[:20]), True, "sha256-160", id="Q1-of-sha256"),
        pytest.param("Q2" + in_base64(SHA256.digest()), False, "sha256", id="Q2"),
        pytest.param("Q2" + in_base64(SHA256.digest()), True, "sha256", id="Q2-flagged"),
        pytest.param("X1" + SHA1.hexdigest(), False, "sha1", id="X1"),
        pytest.param("X1" + SHA1.hexdigest().upper(), False, "sha1", id="X1-upper-case"),
        pytest.param("X1" + SHA256.hexdigest()[:40], True, "sha256-160", id="X1-of-sha256"),
        pytest.param("X2" + SHA256.hexdigest(), False, "sha256", id="X2"),
        pytest.param(hashlib.md5(DATA).hexdigest(), False, "md5", id="bare"),
    ],
)
def test_forms(text: str, truncated: bool, algorithm: str) -> None:
    digest = parse_digest(text, truncated_sha256=truncated)
    assert digest is not None
    assert digest.algorithm == algorithm
    assert digest.matches(DATA)
    assert not digest.matches(DATA + b"\n")
    assert str(digest) == f"{algorithm}:{digest.value.hex()}"


def test_a_digest_of_one_algorithm_matches_by_no_other() -> None:
    truncated = Digest(algorithm="sha256-160", value=SHA1.digest())
    assert not truncated.matches(DATA)


@pytest.mark.parametrize(
    "text", ["", "Q1", "Q1abc=", "Q1" + "A" * 28, "Q3" + "A" * 27 + "=", "X1" + "g" * 40, "X2" + "a" * 40, "a" * 31]
)
def test_what_is_no_digest(text: str) -> None:
    assert parse_digest(text) is None


def test_long_values_are_shortened_and_odd_ones_escaped() -> None:
    assert quoted("a\0\udce9\n") == "'a\\x00\\udce9\\n'"
    assert len(quoted("x" * 10_000_000)) == 100
