"""The connection to a Docker engine, and its errors in our words; the one module that imports docker.

Spec: the Engine API, https://docs.docker.com/reference/api/engine/; where an engine is looked for is what
https://docs.docker.com/engine/manage-resources/contexts/ says of the docker command.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Callable
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import EngineError, EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient
    from docker.errors import APIError

DEFAULT_SOCKET: Final = "unix:///var/run/docker.sock"
DEFAULT_CONTEXT: Final = "default"

STILL_UP: Final = "see whether it still runs: docker info"
"""What to do when the connection breaks."""

# An engine that is there says so at once, even with every core emulating; one that hangs must not hang the suite.
_CONNECT_TIMEOUT: Final = 10
# An engine of version 24 or older writes a whole image to its disk before it sends the first byte of it.
_ANSWER_TIMEOUT: Final = 600

_MAX_EXPLANATION: Final = 500
_WAY_OUT: Final = "start dockerd (and join the group that owns its socket), or set DOCKER_HOST to another engine"


Connect = Callable[[], "DockerClient"]
"""Opens a connection to an engine anew at every call; whoever connects closes."""


class EngineRefusedError(EngineError):
    """The engine answered a request with an error."""

    def __init__(self, message: str, *, status: int, explanation: str) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status, such as 404."""
        self.explanation = explanation
        """The engine's own words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where a Docker engine listens, and who says so."""

    url: str
    origin: str
    tls: Any = None
    """The SDK's TLS settings, or None."""
    engine: str = "Docker engine"
    """What listens there, for messages."""
    way_out: str = _WAY_OUT
    """What to do where it does not answer."""

    def __str__(self) -> str:
        return f"{self.url} ({self.origin})"


def endpoint() -> Endpoint:
    """Return where the docker command would connect: ``DOCKER_HOST``, else the docker context, else the socket.

    Raises:
        EngineUnavailable: the docker context or the TLS settings cannot be used.
    """
    context = current_context()
    if not os.environ.get("DOCKER_HOST") and context == DEFAULT_CONTEXT:  # told without the SDK, which loads slowly
        return Endpoint(url=DEFAULT_SOCKET, origin="the default socket")
    from docker.errors import DockerException

    try:
        return _from_environment() if os.environ.get("DOCKER_HOST") else _from_context(context)
    except DockerException as error:
        raise EngineUnavailable(f"cannot tell where the Docker engine listens: {error}; {_WAY_OUT}") from error


def connect(where: Endpoint | None = None, *, timeout: int = _ANSWER_TIMEOUT) -> DockerClient:
    """Return a client of an engine that answers; whoever connects closes.

    Args:
        where: it listens; where the docker command would connect when None.
        timeout: how many seconds each later request may wait for bytes. The connection itself must stand in ten.

    Raises:
        EngineUnavailable: no engine answers; the message says where it was looked for, and the way out.
    """
    from docker.errors import DockerException

    where = where or endpoint()
    try:
        _check_socket(where)
        client = _client(where, _api_version(where))
    except _broken_connections(DockerException, OSError) as error:
        raise EngineUnavailable(f"no {where.engine} answers at {where}: {_reason(error)}; {where.way_out}") from error
    client.api.timeout = timeout
    return client


@contextmanager
def docker_errors(doing: str) -> Iterator[None]:
    """Turn the SDK's errors into ours; *doing* begins their messages, such as ``cannot save 'alpine:3.22'``.

    Raises:
        EngineRefusedError: the engine answered with an error; ``.status`` tells which.
        EngineUnavailable: the connection broke.
        EngineError: anything else that the SDK reports, a late answer among it.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import ReadTimeout

    try:
        yield
    except APIError as error:
        raise _refusal(doing, error) from error
    except (ReadTimeout, TimeoutError) as error:
        raise EngineError(f"{doing}: the engine gave no answer in time: {_reason(error)}") from error
    except _broken_connections() as error:
        broke = f"the connection to the engine broke: {_reason(error)}"
        raise EngineUnavailable(f"{doing}: {broke}; {STILL_UP}") from error
    except DockerException as error:
        raise EngineError(f"{doing}: {error}") from error


def _check_socket(where: Endpoint) -> None:
    """Fail where nobody listens on a Unix socket. The SDK does too, but leaves the socket for the collector to find."""
    scheme, _, path = where.url.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_CONNECT_TIMEOUT)
            probe.connect(path if path.startswith("/") else f"/{path}")


def _client(where: Endpoint, version: str) -> DockerClient:
    from docker import DockerClient

    tls = {} if where.tls is None else {"tls": where.tls}
    return DockerClient(base_url=where.url, version=version, timeout=_CONNECT_TIMEOUT, **tls)


def _api_version(where: Endpoint) -> str:
    """Return the version of the API that the engine speaks, by the ping that the docker command uses too.

    The SDK asks for /version, which makes the engine start other programs and takes ten times as long.
    """
    from docker.constants import DEFAULT_DOCKER_API_VERSION

    with closing(_client(where, DEFAULT_DOCKER_API_VERSION)) as client:
        answer = client.api.get(f"{client.api.base_url}/_ping", timeout=_CONNECT_TIMEOUT)
        answer.raise_for_status()
    return answer.headers.get("Api-Version", "auto")


def _refusal(doing: str, error: APIError) -> EngineRefusedError:
    said = str(error.explanation or error)[:_MAX_EXPLANATION].strip()
    status = int(error.status_code or 0)
    return EngineRefusedError(f"{doing}: the engine refused: {said} (HTTP {status})", status=status, explanation=said)


def _from_environment() -> Endpoint:
    from docker.utils import kwargs_from_env

    settings = kwargs_from_env()
    return Endpoint(url=settings["base_url"], tls=settings.get("tls"), origin="from DOCKER_HOST")


def current_context() -> str:
    """Return the docker context in use: ``DOCKER_CONTEXT``, else what the docker command's configuration names."""
    if named := os.environ.get("DOCKER_CONTEXT"):
        return named
    folder = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    try:
        return str(json.loads((Path(folder) / "config.json").read_bytes()).get("currentContext") or DEFAULT_CONTEXT)
    except (OSError, ValueError, AttributeError):  # the command takes a broken file for none, too
        return DEFAULT_CONTEXT


def _from_context(name: str) -> Endpoint:
    from docker.context import ContextAPI

    try:
        context = ContextAPI.get_context(name)
    except Exception as error:
        # The SDK raises a bare Exception here; a broken file of a context is the only cause.
        raise EngineUnavailable(f"docker context {name!r} cannot be read: {error}; {_WAY_OUT}") from error
    if context is None or not context.Host:
        raise EngineUnavailable(f"there is no docker context {name!r} (known: {_known_contexts()}); {_WAY_OUT}")
    return Endpoint(url=context.Host, tls=context.TLSConfig, origin=f"docker context {name!r}")


def _known_contexts() -> str:
    from docker.context.config import get_meta_dir

    names = [DEFAULT_CONTEXT]
    for path in Path(get_meta_dir()).glob("*/meta.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):  # a broken one is not the one that was asked for
            names.append(json.loads(path.read_bytes())["Name"])
    return ", ".join(sorted(names))


def _broken_connections(*others: type[Exception]) -> tuple[type[Exception], ...]:
    import requests.exceptions
    import urllib3.exceptions

    # A stream breaks below requests, which translates only part of it.
    return (
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        ConnectionError,
        TimeoutError,
        *others,
    )


def _reason(error: BaseException) -> str:
    """Return what the operating system said below the SDK's nested exceptions, or their own words."""
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error)[:_MAX_EXPLANATION]
