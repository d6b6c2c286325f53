"""An image of one's own, built on each cell's Alpine, read and run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_alpine import Cell, Container, Engine, Image, assert_installed, assert_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent

pytestmark = pytest.mark.alpine(tags="3.20", platforms=["native", "arm64"])


@pytest.fixture(scope="session")
def app(alpine_build: Callable[..., Image]) -> Image:
    return alpine_build(HERE)


@pytest.fixture(scope="session")
def running(app: Image, alpine_engine: Engine) -> Iterator[Container]:
    with alpine_engine.start(app) as container:
        yield container


def test_image(alpine_cell: Cell, app: Image) -> None:
    assert app.platform == alpine_cell.platform
    assert app.config.user == "app"
    assert app.config.entrypoint == ("/usr/local/bin/hello",)
    assert_installed(app, "busybox")


def test_size_over_its_base(alpine_image: Image, app: Image) -> None:
    assert_size(app, unpacked=alpine_image.size.unpacked + 100_000)


def test_says_hello(alpine_cell: Cell, running: Container) -> None:
    assert running.run(["hello"], check=True).stdout == f"hello from {alpine_cell.platform.apk_arch}\n"
