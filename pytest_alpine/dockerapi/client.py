"""The connection to a Docker engine, and its errors in our words; the one module that imports docker.

Spec: the Engine API, https://docs.docker.com/reference/api/engine/; where an engine is looked for is what
https://docs.docker.com/engine/manage-resources/contexts/ says of the docker command.
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
"""The base URL of a client behind whose socket is another machine; the SDK has ``localhost`` for all others."""

STILL_UP: Final = "see whether it still runs: docker info"
"""What to do when the connection breaks."""

# An engine that is there says so at once, even with every core emulating; one that hangs must not hang the suite.
_CONNECT_TIMEOUT: Final = 10
# An engine of version 24 or older writes a whole image to its disk before it sends the first byte of it.
_ANSWER_TIMEOUT: Final = 600

_MAX_EXPLANATION: Final = 500
# The words of Go's HTTP server.
_WANTS_TLS: Final = "HTTP request to an HTTPS server"
_USE_TLS: Final = (
    "set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem, or name a docker "
    "context that has them"
)
_WAY_OUT: Final = "start dockerd (and join the group that owns its socket), or set DOCKER_HOST to another engine"


Connect = Callable[[], "DockerClient"]
"""Opens a connection to an engine anew at every call; whoever connects closes."""


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
    if not os.environ.get("DOCKER_HOST") and context == DEFAULT:  # told without the SDK, which loads slowly
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
        way_out = f"make it: docker context create {text} --docker host=ssh://USER@HOST"
        return replace(_from_context(text, way_out), way_out=f"see whether it runs: docker --context {text} info")
    try:
        tls = kwargs_from_env({**os.environ, "DOCKER_HOST": text}).get("tls") if text.startswith("tcp:") else None
    except DockerException as error:
        raise EngineUnavailable(f"cannot use the TLS settings for {text}: {error}; {_USE_TLS}") from error
    return Endpoint(url=text, tls=tls, origin="as named", way_out=f"see whether it runs: docker -H {text} info")


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
        client = _connected(where)
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
        raise ConnectionError(f"nobody answers on {address.socket} there ({said})") from None
    except BaseException:
        tunnel.close()
        raise


def _check_socket(where: Endpoint) -> None:
    """Fail where nobody listens on a Unix socket. The SDK does too, but leaves the socket for the collector to find."""
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
        # Else REQUESTS_CA_BUNDLE, which is meant for the web, would be believed in place of the engine's authority. And
        # each request would look through the environment for proxies, in which pytest changes a variable at every test.
        client.api.trust_env = False
    return client


def _api_version(where: Endpoint) -> str:
    """Return the version of the API that the engine speaks, by the ping that the docker command uses too.

    The SDK asks for /version, which makes the engine start other programs and takes ten times as long.
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


def _tls(context: DockerContext) -> Any:  # noqa: ANN401 - the SDK's class, which is loaded when it is needed
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
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return str(error)[:_MAX_EXPLANATION]
