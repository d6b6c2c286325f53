"""HTTP for registries and mirrors: passing failures are tried again, and all others become one kind of error.

Spec of Retry-After: RFC 9110, section 10.2.3.
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from pytest_alpine.errors import MalformedImage
from pytest_alpine.image.http.adapter import patient_adapter
from pytest_alpine.image.http.errors import Silent, Unreachable, certificate_errors, http_errors
from pytest_alpine.image.http.loopback import NO_PROXY, is_loopback
from pytest_alpine.image.http.patience import Patience

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

    import requests


T = TypeVar("T")

DELAYS: Final = (0.3, 1.0, 3.0)
"""Seconds between the attempts of one request."""
LONGEST_WAIT: Final = 20.0
"""Seconds of the longest pause that a server may ask for; a test run waits no longer."""

# Before 3.12, Python searches the whole environment for proxies and fails if a variable disappears meanwhile. pytest
# sets and removes one that names the running test.
_LOOKS: Final = 5
_MOST_SILENCES: Final = 50  # where silences take no time, such as a proxy's
_PASSING: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
# What stores answer to an address whose signature has expired: Google's 400, the others 403 or 401.
_EXPIRED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """The response to a request for a document, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """The response to a request for a blob, read as it arrives."""

    response: requests.Response
    where: str
    patience: Patience

    @property
    def host(self) -> str:
        """The server that answered, behind all redirects."""
        return urlsplit(self.response.url).netloc

    @property
    def status(self) -> int:
        """The status code of HTTP."""
        return self.response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields; their names match in any case."""
        return self.response.headers

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes, which may have to arrive first; none at the end, and none if it broke off.

        Raises:
            Unreachable: the connection broke, or the server is silent.
        """
        with _counting(self.patience, self.host), http_errors(self.where, "the answer breaks off"):
            data: bytes = self.response.raw.read(None if size < 0 else size)
            return data

    def read_arrived(self, size: int, /) -> bytes:
        """Return at most *size* bytes, as soon as there are any; see ``read``.

        Raises:
            Unreachable: the connection broke, or the server is silent.
        """
        raw = self.response.raw
        with _counting(self.patience, self.host), http_errors(self.where, "the answer breaks off"):
            data: bytes = getattr(raw, "read1", raw.read)(size)  # urllib3 has it since 2.2
            return data

    def close(self) -> None:
        """Close the connection, or release it if everything was read."""
        self.response.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Hints:
    """What messages tell users to do."""

    limited: str
    """Against a rate limit."""
    untrusted: str
    """Against a certificate that is not trusted."""


class HttpClient:
    """One session with a server and those it redirects to."""

    def __init__(
        self, hints: Hints, tls: Mapping[str, ssl.SSLContext] | None = None, *, patience: Patience | None = None
    ) -> None:
        """Open nothing yet.

        Args:
            hints: what messages tell users to do.
            tls: what to trust beyond the machine's authorities, by host with port.
            patience: how long silent hosts are waited for; this client's own when None.
        """
        import requests

        self._hints = hints
        self._patience = patience or Patience()
        self._silent: set[str] = set()  # hosts that did not answer any attempt: the next request tries once
        self._session = requests.Session()
        for prefix in ("https://", "http://"):
            self._session.mount(prefix, patient_adapter(self._patience))
        for host, context in (tls or {}).items():
            self._session.mount(f"https://{host}/", patient_adapter(self._patience, context))

    def document(self, method: str, url: str, *, limit: int, patient: bool = True, **request: Any) -> Response:  # noqa: ANN401 - see "open"
        """Return the answer to one request, of at most *limit* bytes; see ``open``.

        Raises:
            MalformedImage: the answer is larger.
        """

        def once() -> Response:
            with closing(self._once(method, url, **request)) as stream:
                data = stream.read(limit + 1)
                while len(data) <= limit and (more := stream.read(limit + 1 - len(data))):
                    data += more
                if len(data) > limit:
                    raise MalformedImage(f"{stream.where}: more than {limit} bytes (expected a small document)")
                return Response(status=stream.status, headers=stream.headers, body=data)

        return self._patiently(url, once) if patient else once()

    def open(self, method: str, url: str, **request: Any) -> Stream:  # noqa: ANN401 - handed on to requests
        """Return the answer to one request, redirects followed; the caller closes it.

        Requests are repeated when the server is busy or the connection breaks, and while there is patience with a
        silent one. The Authorization header that ``auth`` adds is not sent to another host.

        Args:
            method: of HTTP.
            url: absolute.
            request: ``headers``, ``auth`` and ``data`` as requests takes them; ``signed`` says that redirects lead to
                addresses that expire: where another host refuses, the request is repeated.

        Raises:
            Unreachable: the server gives no response, or only asks to try later.
        """
        return self._patiently(url, lambda: self._once(method, url, **request))

    def _patiently(self, url: str, attempt: Callable[[], T]) -> T:
        host = urlsplit(url).netloc
        tried, delays = 0, iter(DELAYS)
        while True:
            tried += 1
            try:
                found = attempt()
            except Silent as error:  # it took its time already, and patience says when to give up
                if tried == _MOST_SILENCES:
                    raise Unreachable(str(error)) from error
            except Unreachable as error:
                if error.again is None:
                    raise
                if host in self._silent:
                    raise Unreachable(str(error)) from error
                delay = next(delays, None)
                if delay is None:
                    self._silent.add(host)
                    raise Unreachable(f"{error} (tried {tried} times)") from error
                time.sleep(max(delay, error.again))
            else:
                self._silent.discard(host)
                return found

    def _once(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        signed: bool = False,
        **request: Any,  # noqa: ANN401
    ) -> Stream:
        where, host = shown(url), urlsplit(url).netloc
        trust = certificate_errors(where, self._hints.untrusted)
        with _counting(self._patience, host), trust, http_errors(where, "no answer"):
            response = self._send(
                method,
                url,
                # The digest of a blob is that of its bytes as stored: no server may compress them anew.
                headers={"Accept-Encoding": "identity", **(headers or {})},
                stream=True,
                allow_redirects=True,
                proxies={"no_proxy": NO_PROXY} if is_loopback(host) else None,
                **request,
            )
        stream = Stream(response=response, where=where, patience=self._patience)
        try:
            if stream.status in _PASSING:
                raise self._busy(response, where)
            if signed and stream.status in _EXPIRED and stream.host != host:
                raise _expired(stream)
        except Unreachable:
            stream.close()
            raise
        return stream

    def _send(self, method: str, url: str, **request: Any) -> requests.Response:  # noqa: ANN401
        """Return the answer to one request, which may be made in a thread beside tests."""
        for _ in range(_LOOKS - 1):
            with suppress(KeyError):
                return self._session.request(method, url, **request)
        return self._session.request(method, url, **request)

    def _busy(self, response: requests.Response, where: str) -> Unreachable:
        asked = _retry_after(response.headers.get("Retry-After", ""))
        text = f"{where}: the server answers {response.status_code} {_phrase(response.status_code)}"
        if asked:
            text += f", retry after {asked:.0f} s"
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            text += f": the rate limit is reached; {self._hints.limited}"
        return Unreachable(text, again=asked if asked <= LONGEST_WAIT else None)


def shown(url: str) -> str:
    """Return *url* for messages, without password and query: a query may contain a signature."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


@contextmanager
def _counting(patience: Patience, host: str) -> Iterator[None]:
    """Take the time of a wait that ends without an answer from the patience with *host*."""
    start = time.monotonic()
    try:
        yield
    except Unreachable as error:
        try:
            patience.spend(error.host or host, since=start)
        except Unreachable as given_up:
            raise given_up from error
        raise


def _expired(stream: Stream) -> Unreachable:
    text = (
        f"{stream.where}: {stream.host}, where it redirects to, answers {stream.status} {_phrase(stream.status)}: "
        "the address may have expired"
    )
    return Unreachable(text, again=0)


def _retry_after(text: str) -> float:
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
