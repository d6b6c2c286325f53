"""The connection to a Docker engine. Translates the errors of the Docker SDK into this package's errors.

Specs: the Engine API, https://docs.docker.com/reference/api/engine/; for the choice of the engine, the docker command,
https://docs.docker.com/engine/manage-resources/contexts/.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.dockerapi.contexts import (
    DEFAULT,
    DockerContext,
    current_context,
    has_context,
    known_contexts,
    read_context,
)
from pytest_alpine.dockerapi.ssh_tunnel import SSH, SshAddress, SshTunnel
from pytest_alpine.errors import EngineError, EngineRefusedError, EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient
    from docker.errors import APIError

DEFAULT_SOCKET: Final = "unix:///var/run/docker.sock"
FAR_SOCKET: Final = "http+docker://far"
"""The base URL of a client whose engine is on another machine, reached by ssh; other sockets have ``localhost``."""

STILL_UP: Final = "see whether it still runs: docker info"
"""What to do when the connection breaks."""

# Seconds. A running engine answers at once, even if all cores are busy; an engine that hangs must not hang the suite.
_CONNECT_TIMEOUT: Final = 10
# Seconds. Engines up to version 24 write a whole image to their disk before they send its first byte.
_ANSWER_TIMEOUT: Final = 600

_MAX_EXPLANATION: Final = 500
# The answer of Go's HTTP server.
_WANTS_TLS: Final = "HTTP request to an HTTPS server"
_USE_TLS: Final = (
    "set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem, or name a docker "
    "context that has them"
)
_WAY_OUT: Final = "start dockerd (and join the group that owns its socket), or set DOCKER_HOST to another engine"


Connect = Callable[[], "DockerClient"]
"""Opens a new connection to an engine at every call; the caller closes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """The address of a Docker engine, and where the address comes from."""

    url: str
    origin: str
    tls: Any = None
    """The SDK's TLS settings, or None."""
    engine: str = "Docker engine"
    """The kind of the engine, for messages."""
    way_out: str = _WAY_OUT
    """What to do if it does not answer."""

    def __str__(self) -> str:
        return f"{self.url} ({self.origin})"


def endpoint() -> Endpoint:
    """Return the endpoint that the docker command would use: ``DOCKER_HOST``, else the context, else the socket.

    Raises:
        EngineUnavailable: the docker context or the TLS settings cannot be used.
    """
    context = current_context()
    if not os.environ.get("DOCKER_HOST") and context == DEFAULT:  # found without the SDK, which loads slowly
        return Endpoint(url=DEFAULT_SOCKET, origin="the default socket")
    from docker.errors import DockerException

    try:
        return _from_environment() if os.environ.get("DOCKER_HOST") else _from_context(context)
    except DockerException as error:
        raise EngineUnavailable(f"cannot tell where the Docker engine listens: {error}; {_WAY_OUT}") from error


def endpoint_named(text: str) -> Endpoint:
    """Return the endpoint that *text* names, as ``docker -H`` and ``docker --context`` take it: a URL, or a context.

    Raises:
        EngineUnavailable: there is no such context, or the TLS settings cannot be used.
    """
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    if "://" not in text:
        way_out = f"create it: docker context create {text} --docker host=ssh://USER@HOST"
        return replace(_from_context(text, way_out), way_out=f"see whether it runs: docker --context {text} info")
    try:
        tls = kwargs_from_env({**os.environ, "DOCKER_HOST": text}).get("tls") if text.startswith("tcp:") else None
    except DockerException as error:
        raise EngineUnavailable(f"cannot use the TLS settings for {text}: {error}; {_USE_TLS}") from error
    return Endpoint(url=text, tls=tls, origin="as named", way_out=f"see whether it runs: docker -H {text} info")


def connect(where: Endpoint | None = None, *, timeout: int = _ANSWER_TIMEOUT) -> DockerClient:
    """Return a client of an engine that answers; the caller closes it.

    Args:
        where: the address of the engine; the one that the docker command would use when None.
        timeout: the seconds that each later request may wait for bytes. The engine must answer the first in ten.

    Raises:
        EngineUnavailable: no engine answers; the message contains the address and what to do.
    """
    from docker.errors import DockerException

    where = where or endpoint()
    try:
        client = _connected(where)
    except _broken_connections(DockerException, OSError) as error:
        raise EngineUnavailable(f"no {where.engine} answers at {where}: {_reason(error)}; {where.way_out}") from error
    client.api.timeout = timeout
    return client


@contextmanager
def docker_errors(doing: str) -> Iterator[None]:
    """Translate the SDK's errors; *doing* begins the messages, such as ``cannot save 'alpine:3.22'``.

    Raises:
        EngineRefusedError: the engine answered with an error; ``.status`` is its HTTP status.
        EngineUnavailable: the connection broke.
        EngineError: the engine did not answer in time, or the SDK reported another error.
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


def _connected(where: Endpoint) -> DockerClient:
    if not where.url.startswith(f"{SSH}://"):
        _check_socket(where)
        return _client(where, _api_version(where))
    try:
        address = SshAddress.parse(where.url)
    except ValueError as error:
        raise ConnectionError(str(error)) from None
    tunnel = SshTunnel(address)
    try:
        near = replace(where, url=f"unix://{tunnel.socket}")
        return _client(near, _api_version(near), tunnel.close)
    except _broken_connections() as error:
        said = tunnel.words() or _reason(error)
        tunnel.close()
        raise ConnectionError(f"no engine answers on {address.socket} there ({said})") from None
    except BaseException:
        tunnel.close()
        raise


def _check_socket(where: Endpoint) -> None:
    """Fail if no engine listens on a Unix socket. The SDK would fail too, but without closing its own socket."""
    scheme, _, path = where.url.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_CONNECT_TIMEOUT)
            probe.connect(path if path.startswith("/") else f"/{path}")


def _client(where: Endpoint, version: str, closed: Callable[[], None] | None = None) -> DockerClient:
    """Return a client that calls *closed* when it is closed."""
    from docker import DockerClient

    class Client(DockerClient):
        def close(self) -> None:
            super().close()
            if closed is not None:
                closed()

    tls = {} if where.tls is None else {"tls": where.tls}
    client = Client(base_url=where.url, version=version, timeout=_CONNECT_TIMEOUT, **tls)
    if closed is not None:
        client.api.base_url = FAR_SOCKET
    if where.tls is not None or not where.url.startswith(("tcp:", "http:")):
        # Without this, REQUESTS_CA_BUNDLE, which is for public servers, would replace the engine's own authority. And
        # each request would search the environment for proxies, which is slow: pytest changes a variable at every test.
        client.api.trust_env = False
    return client


def _api_version(where: Endpoint) -> str:
    """Return the engine's version of the API. Uses ``/_ping``, as the docker command does.

    The SDK uses ``/version``, which makes the engine start other programs and takes ten times as long.
    """
    from docker.constants import DEFAULT_DOCKER_API_VERSION

    with closing(_client(where, DEFAULT_DOCKER_API_VERSION)) as client:
        answer = client.api.get(f"{client.api.base_url}/_ping", timeout=_CONNECT_TIMEOUT)
        if _WANTS_TLS in answer.text:
            raise ConnectionError(f"it wants TLS: {_USE_TLS}")
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


def _from_context(name: str, way_out: str = _WAY_OUT) -> Endpoint:
    if name == DEFAULT:
        return Endpoint(url=DEFAULT_SOCKET, origin="the default socket")
    if not has_context(name):
        known = ", ".join(known_contexts())
        raise EngineUnavailable(f"there is no docker context {name!r} (known: {known}); {way_out}")
    try:
        context = read_context(name)
    except ValueError as error:
        raise EngineUnavailable(f"docker context {name!r} cannot be read: {error}; {way_out}") from error
    return Endpoint(url=context.host, tls=_tls(context), origin=f"docker context {name!r}")


def _tls(context: DockerContext) -> Any:  # noqa: ANN401 - a class of the SDK, which is imported late
    """Return the SDK's TLS settings, or None."""
    if context.ca is None and context.certificate is None and context.verify:
        return None
    from docker.tls import TLSConfig

    pair = (str(context.certificate), str(context.key)) if context.certificate and context.key else None
    authority = str(context.ca) if context.ca else None
    return TLSConfig(client_cert=pair, ca_cert=authority, verify=context.verify)


def _broken_connections(*others: type[Exception]) -> tuple[type[Exception], ...]:
    import http.client

    import requests.exceptions
    import urllib3.exceptions

    # When a stream breaks, requests translates only some of the errors of the libraries below it.
    return (
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        ConnectionError,
        TimeoutError,
        *others,
    )


def _reason(error: BaseException) -> str:
    """Return the operating system's error inside the SDK's nested exceptions, or the message of *error*."""
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return str(error)[:_MAX_EXPLANATION]
