from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from pytest_alpine.errors import InvalidSize
from pytest_alpine.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0),
        (77, 77),
        ("77", 77),
        ("0", 0),
        ("512B", 512),
        ("512 kB", 512_000),
        ("1k", 1000),
        ("1 KiB", 1024),
        ("10 MiB", 10_485_760),
        ("4.2 MB", 4_200_000),
        ("4.2MB", 4_200_000),
        (" 4.2 mb ", 4_200_000),
        ("1_000_000", 1_000_000),
        ("2 GB", 2_000_000_000),
        ("2 GiB", 2_147_483_648),
        ("0.1 B", 0),
    ],
    ids=str,
)
def test_amounts_as_people_write_them(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "4,2 MB", "-1", "1e3", "4.2 XB", "4.2 TB", "4 2", ".5 MB", "1__0", "\u0664 MB", True, 4.2, None]
)
def test_text_that_is_no_amount(text: object) -> None:
    with pytest.raises(InvalidSize) as caught:
        parse_size(text)  # type: ignore[arg-type]  # what a configuration file may hold
    expected = f"invalid size: {text!r} (expected bytes, or a number with kB, MB, GB, KiB, MiB or GiB)"
    assert str(caught.value) == expected


def test_negative_number() -> None:
    with pytest.raises(InvalidSize, match=r"invalid size: -5 \(expected 0 or more bytes\)"):
        parse_size(-5)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (-512, "-512 B"),
        (1000, "1.00 kB"),
        (999_994, "999.99 kB"),
        (999_999, "1.00 MB"),
        (3_490_290, "3.49 MB"),
        (-3_490_290, "-3.49 MB"),
        (999_999_999, "1.00 GB"),
        (1_234_567_890_123, "1234.57 GB"),
    ],
    ids=str,
)
def test_rendering(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(min_value=0, max_value=10**15))
def test_what_is_rendered_can_be_read_back(size: int) -> None:
    assert parse_size(format_size(size)) == pytest.approx(size, rel=0.006)
