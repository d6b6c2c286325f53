"""Images that an engine holds, while it is busy with others."""

from __future__ import annotations

import time

import pytest

from pytest_alpine.errors import EngineRefusedError
from pytest_alpine.image.daemon.inspect import undisturbed

STUMBLES = "failed to convert ImageData to ImageInspect: layer not known"


class Engine:
    """Refuses, with the same words, so many times."""

    def __init__(self, words: str, refusals: int) -> None:
        self.words = words
        self.refusals = refusals
        self.asked = 0

    def ask(self) -> str:
        self.asked += 1
        if self.asked <= self.refusals:
            raise EngineRefusedError(f"refused: {self.words}", status=500, explanation=self.words)
        return "found"


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


@pytest.mark.parametrize("refusals", [0, 1, 5])
def test_it_is_asked_again(refusals: int, pauses: list[float]) -> None:
    engine = Engine(STUMBLES, refusals)
    assert undisturbed(engine.ask) == "found"
    assert (engine.asked, len(pauses)) == (refusals + 1, refusals)
    assert pauses == sorted(pauses)


@pytest.mark.parametrize(("words", "asked"), [(STUMBLES, 6), ("no space left", 1)], ids=["for-good", "something-else"])
def test_what_it_says_in_the_end(words: str, asked: int) -> None:
    engine = Engine(words, 100)
    with pytest.raises(EngineRefusedError, match=f"^refused: {words}$"):
        undisturbed(engine.ask)
    assert engine.asked == asked
