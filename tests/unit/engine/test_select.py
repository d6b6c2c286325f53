from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest

from pytest_alpine.engine import select
from pytest_alpine.engine.select import EngineKind, describe_choice, select_engine
from pytest_alpine.errors import EngineUnavailable

if TYPE_CHECKING:
    from pytest_alpine import Engine


def refusing(why: str) -> EngineKind:
    def refused(*_: object) -> NoReturn:
        raise EngineUnavailable(why)

    return EngineKind(refused, refused)


def answering(engine: object, version: str) -> EngineKind:
    return EngineKind(lambda _: cast("Engine", engine), lambda: version)


ENGINE: Any = object()  # nothing is asked of it


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> dict[str, EngineKind]:
    """Engines of which the second answers."""
    kinds = {
        "first": refusing("no first answers at X: no such file; start it"),
        "second": answering(ENGINE, "second 4.3.1"),
        "third": answering(object(), "third 1.0"),
    }
    monkeypatch.setattr(select, "KINDS", kinds)
    return kinds


@pytest.mark.parametrize(
    ("name", "described"),
    [
        ("auto", "second 4.3.1 (auto: first does not answer)"),
        ("first", "none (first does not answer)"),
        ("third", "third 1.0"),
        ("none", "none"),
    ],
)
def test_the_choice_is_described(name: str, described: str) -> None:
    assert describe_choice(name) == described


def test_the_first_that_answers_is_taken(kinds: dict[str, EngineKind]) -> None:
    assert select_engine("auto") is ENGINE
    del kinds["first"]
    assert describe_choice("auto") == "second 4.3.1 (auto)"


@pytest.mark.parametrize("network", [None, "backend"])
def test_it_is_told_the_network(kinds: dict[str, EngineKind], network: str | None) -> None:
    told = []
    kinds["first"] = EngineKind(lambda given: cast("Engine", told.append(given)), str)
    select_engine("auto", network)
    assert told == [network]


def test_one_that_does_not_answer() -> None:
    with pytest.raises(EngineUnavailable) as caught:
        select_engine("first")
    assert str(caught.value) == (
        "no first answers at X: no such file; start it; or do without containers: --alpine-engine none"
    )


def test_nobody_answers(kinds: dict[str, EngineKind]) -> None:
    kinds |= {"second": refusing("no second answers; install it")}
    del kinds["third"]
    assert describe_choice("auto") == "none (auto: first does not answer, second does not answer)"
    with pytest.raises(EngineUnavailable) as caught:
        select_engine("auto")
    assert str(caught.value).splitlines() == [
        "no engine answers:",
        "  first: no first answers at X: no such file; start it",
        "  second: no second answers; install it",
        "or do without containers: --alpine-engine none",
    ]


def test_none_is_wanted() -> None:
    with pytest.raises(EngineUnavailable, match="--alpine-engine=none: containers cannot run; use alpine_image, which"):
        select_engine("none")
