from __future__ import annotations

import pytest

from tests.fuzz.seeds import seeds, targets
from tests.fuzz.targets import TARGETS


def test_every_target_has_seeds() -> None:
    assert targets() == list(TARGETS)
    assert all(map(seeds, TARGETS))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("target", TARGETS)
def test_seeds_and_what_was_found(target: str) -> None:
    for data in seeds(target):
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_damaged_seeds(target: str) -> None:
    for number, data in enumerate(seeds(target)):
        place = number % 7 * len(data) // 7  # somewhere else in each
        TARGETS[target](data[:place])
        TARGETS[target](data[:place] + b"\xff" + data[place + 1 :])
