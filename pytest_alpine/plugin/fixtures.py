"""The fixtures. They get their values from the session, and contain no logic of their own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import pytest

from pytest_alpine.plugin.state import session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testinfra.host import Host

    from pytest_alpine.engine.base import Engine
    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image
    from pytest_alpine.matrix.cells import Cell
    from pytest_alpine.plugin.session import AlpineSession

running_key = pytest.StashKey[pytest.Item]()
"""The test that runs."""


@pytest.fixture(scope="session")
def alpine_cell(request: pytest.FixtureRequest) -> Cell:
    """The current cell: one image on one platform."""
    return cast("Cell", request.param)


@pytest.fixture(scope="session")
def alpine_image(alpine_cell: Cell, pytestconfig: pytest.Config) -> Image:
    """The current cell's image, read without running it."""
    with _session(pytestconfig, alpine_cell) as session:
        return session.images.get(alpine_cell)


@pytest.fixture(scope="session")
def alpine_engine(pytestconfig: pytest.Config) -> Engine:
    """The engine that runs containers."""
    with _session(pytestconfig) as session:
        return session.running.engine


@pytest.fixture(scope="session")
def alpine_container(
    alpine_cell: Cell,
    alpine_image: Image,  # noqa: ARG001 - what is wrong with the image is told first
    pytestconfig: pytest.Config,
) -> Container:
    """The current cell's running container, shared by all tests of the cell."""
    with _session(pytestconfig, alpine_cell) as session:
        return session.running.containers.shared(alpine_cell)


@pytest.fixture
def alpine_container_per_test(
    alpine_cell: Cell,
    alpine_image: Image,  # noqa: ARG001 - what is wrong with the image is told first
    pytestconfig: pytest.Config,
) -> Iterator[Container]:
    """A container of the current cell for this test alone."""
    with _session(pytestconfig, alpine_cell) as session:
        container = session.running.containers.fresh(alpine_cell)
    yield container
    session.running.containers.release(container)


@pytest.fixture(scope="session")
def alpine_host(alpine_container: Container) -> Host:
    """The testinfra Host of ``alpine_container``."""
    return alpine_container.host


@pytest.fixture(scope="session")
def alpine_build(alpine_image: Image, alpine_engine: Engine, pytestconfig: pytest.Config) -> Callable[..., Image]:
    """A function that builds a Dockerfile on the current cell's image, which is ``${ALPINE_IMAGE}`` there.

    See ``engine.build.build_image``.
    """

    def build(context: str | Path, *, dockerfile: str = "Dockerfile", target: str = "", **args: str) -> Image:
        from pytest_alpine.engine.build import build_image

        with _session(pytestconfig):
            return build_image(alpine_engine, alpine_image, context, dockerfile=dockerfile, target=target, args=args)

    return build


@contextmanager
def _session(config: pytest.Config, cell: Cell | None = None) -> Iterator[AlpineSession]:
    """Yield the state of this process; turn errors into the failure or the skip of a test."""
    __tracebackhide__ = True
    from pytest_alpine.plugin.problems import problems_told

    session = session_of(config)
    with problems_told(session.settings, cell):
        yield session
