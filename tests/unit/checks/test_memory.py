from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from pytest_alpine import assert_memory, find_memory
from pytest_alpine.errors import InvalidSize

if TYPE_CHECKING:
    from pytest_alpine import Container


class _Busy:
    """What ``assert_memory`` asks a container for; tests/engine measures real ones."""

    def memory(self) -> int:
        return 5_000_000

    def __str__(self) -> str:
        return "a container"


BUSY = cast("Container", _Busy())


@pytest.mark.parametrize("limit", [5_000_000, "5 MB", "1 GB"])
def test_within_the_limit(limit: str | int) -> None:
    assert_memory(BUSY, limit)
    assert find_memory(BUSY, limit) == ()


def test_over_the_limit() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_memory(BUSY, "4 MB")
    assert str(caught.value) == "memory: expected at most 4.00 MB, found 5.00 MB (5000000 bytes)\nin a container"


def test_a_limit_that_is_none() -> None:
    with pytest.raises(InvalidSize, match="'much'"):
        find_memory(BUSY, "much")
