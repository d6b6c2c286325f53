"""An engine that does what it is told, and whose answer is lost: what it made is gone when it is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from pytest_alpine import EngineUnavailable
from pytest_alpine.engine.select import select_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient

    from pytest_alpine import Engine, Image

pytestmark = pytest.mark.docker


@pytest.fixture
def closed_here() -> Iterator[Engine]:
    """An engine that its test closes."""
    yield (engine := select_engine("docker"))
    engine.close()


def losing(answer_of: Callable[..., Any], lost: list[str], *, done: bool) -> Callable[..., Any]:
    """Return a function that does, or does not, what *answer_of* does, and whose first answer is lost."""

    def lose(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the SDK's
        if lost:
            return answer_of(*args, **options)
        lost.append("the first")
        if done:
            answer_of(*args, **options)
        raise requests.ConnectionError("Connection reset by peer")

    return lose


def there(client: DockerClient, image: Image) -> set[str]:
    return {found["Id"] for found in client.api.containers(all=True) if found["ImageID"] == image.id}


@pytest.mark.parametrize(
    ("request_", "done", "said"),
    [
        ("create_container", True, "cannot create a container of .*"),
        ("create_container", False, "cannot create a container of .*"),
        ("start", True, "cannot start container .*"),
    ],
    ids=["created", "not-created", "started"],
)
def test_a_start(  # noqa: PLR0913 - fixtures
    closed_here: Any,  # noqa: ANN401 - it is looked into
    client: DockerClient,
    build: Callable[..., Image],
    monkeypatch: pytest.MonkeyPatch,
    request_: str,
    *,
    done: bool,
    said: str,
) -> None:
    image, api = build(), closed_here._client.api
    lost: list[str] = []
    monkeypatch.setattr(api, request_, losing(getattr(api, request_), lost, done=done))
    with pytest.raises(EngineUnavailable, match=rf"^{said}: the connection to the engine broke: "):
        closed_here.start(image)
    assert lost
    closed_here.close()
    assert not there(client, image)


def test_a_stop(
    closed_here: Any,  # noqa: ANN401 - it is looked into
    client: DockerClient,
    build: Callable[..., Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, api = build(), closed_here._client.api
    container = closed_here.start(image)
    monkeypatch.setattr(api, "remove_container", losing(api.remove_container, [], done=False))
    with pytest.raises(EngineUnavailable, match=r"^cannot remove container .*: the connection to the engine broke: "):
        container.stop()
    assert there(client, image) == {container.id}
    closed_here.close()
    assert not there(client, image)
