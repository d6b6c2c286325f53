"""A start that fails: the reason is asked for while the container is there, which is stopped then."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from pytest_alpine.engine.starting import start_or_explain
from pytest_alpine.errors import AlpineError, ContainerStartError, EngineError, EngineUnavailable

if TYPE_CHECKING:
    from pytest_alpine import Container


class Created:
    """A container of which only the end matters."""

    def __init__(self, problem: AlpineError | None = None) -> None:
        self.events: list[str] = []
        self._problem = problem

    def stop(self) -> None:
        self.events.append("stopped")
        if self._problem is not None:
            raise self._problem

    def start(self, error: BaseException | None) -> None:
        """Start it; its boot raises *error*."""

        def boot() -> None:
            self.events.append("booted")
            if error is not None:
                raise error

        def explain(error: AlpineError) -> AlpineError:
            self.events.append(f"explained {error}")
            return ContainerStartError("the reason")

        start_or_explain(cast("Container", self), boot, explain)


def test_a_start() -> None:
    created = Created()
    created.start(None)
    assert created.events == ["booted"]


@pytest.mark.parametrize("problem", [None, EngineUnavailable("it died")], ids=["stops", "cannot-be-stopped"])
def test_a_start_that_fails(problem: AlpineError | None) -> None:
    created = Created(problem)
    with pytest.raises(ContainerStartError, match=r"^the reason$") as caught:
        created.start(EngineError("no shell"))
    assert str(caught.value.__cause__) == "no shell"
    assert created.events == ["booted", "explained no shell", "stopped"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError()], ids=["interrupted", "bug"])
def test_anything_else_stops_it(error: BaseException) -> None:
    created = Created()
    with pytest.raises(type(error)):
        created.start(error)
    assert created.events == ["booted", "stopped"]
