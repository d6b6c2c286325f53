"""HTTP for registries and mirrors: passing failures are tried again, and all others become one kind of error.

Spec of Retry-After: RFC 9110, section 10.2.3.
"""

from __future__ import annotations

import ssl
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from pytest_alpine.errors import AlpineError, ImageError, MalformedImage
from pytest_alpine.image.http.loopback import NO_PROXY, is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests


T = TypeVar("T")

DELAYS: Final = (0.3, 1.0, 3.0)
"""Seconds between the attempts of one request."""
LONGEST_WAIT: Final = 20.0
"""Seconds of the longest pause that a server may ask for; a test run waits no longer."""

_TIMEOUT: Final = (10, 60)  # seconds to connect, and between two pieces of a response
# Before 3.12, Python searches the whole environment for proxies and fails if a variable disappears meanwhile. pytest
# sets and removes one that names the running test.
_LOOKS: Final = 5
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


class Unreachable(ImageError):
    """The server does not answer, or asks to try later."""

    def __init__(self, message: str, *, again: float | None = None) -> None:
        super().__init__(message)
        self.again = again
        """Seconds after which to try again; None if another attempt is pointless."""


class Untrusted(Unreachable):
    """The server's certificate is not trusted."""


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

    @property
    def status(self) -> int:
        """The status code of HTTP."""
        return self.response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields; their names match in any case."""
        return self.response.headers

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes; none at the end, and none if the connection broke without an error.

        Raises:
            Unreachable: the connection broke.
        """
        with _http_errors(self.where, "the answer breaks off"):
            data: bytes = self.response.raw.read(None if size < 0 else size)
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

    def __init__(self, hints: Hints, tls: Mapping[str, ssl.SSLContext] | None = None) -> None:
        """Open nothing yet; *tls* says what to trust beyond the machine's authorities, by host with port."""
        import requests

        self._hints = hints
        self._silent: set[str] = set()  # hosts that did not answer any attempt: the next request tries once
        self._session = requests.Session()
        for host, context in (tls or {}).items():
            self._session.mount(f"https://{host}/", _adapter(context))

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

        Requests are repeated when the server is busy or the connection breaks. The Authorization header that ``auth``
        adds is not sent to another host.

        Args:
            method: of HTTP.
            url: absolute.
            request: ``headers``, ``auth`` and ``data`` as requests takes them.

        Raises:
            Unreachable: the server gives no response, or only asks to try later.
        """
        return self._patiently(url, lambda: self._once(method, url, **request))

    def _patiently(self, url: str, attempt: Callable[[], T]) -> T:
        host = urlsplit(url).netloc
        for number, delay in enumerate((*DELAYS, None), start=1):
            try:
                found = attempt()
            except Unreachable as error:
                if error.again is None:
                    raise
                if host in self._silent:
                    raise Unreachable(str(error)) from error
                if delay is None:
                    self._silent.add(host)
                    raise Unreachable(f"{error} (tried {number} times)") from error
                time.sleep(max(delay, error.again))
            else:
                self._silent.discard(host)
                return found
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, **request: Any) -> Stream:  # noqa: ANN401
        where = shown(url)
        with self._certificate_errors(where), _http_errors(where, "no answer"):
            response = self._send(
                method,
                url,
                # The digest of a blob is that of its bytes as stored: no server may compress them anew.
                headers={"Accept-Encoding": "identity", **(headers or {})},
                stream=True,
                timeout=_TIMEOUT,
                allow_redirects=True,
                proxies={"no_proxy": NO_PROXY} if is_loopback(urlsplit(url).netloc) else None,
                **request,
            )
        if response.status_code in _PASSING:
            response.close()
            raise self._busy(response, where)
        return Stream(response=response, where=where)

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

    @contextmanager
    def _certificate_errors(self, where: str) -> Iterator[None]:
        try:
            yield
        except Unreachable as error:
            root = _root(error)
            if isinstance(root, ssl.SSLCertVerificationError):
                text = f"{where}: the certificate is not trusted: {root.verify_message}; {self._hints.untrusted}"
                raise Untrusted(text) from error
            raise


def shown(url: str) -> str:
    """Return *url* for messages, without password and query: a query may contain a signature."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


@contextmanager
def _http_errors(where: str, what: str) -> Iterator[None]:
    import requests
    import urllib3.exceptions

    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        hopeless = isinstance(error, (ValueError, requests.TooManyRedirects)) or _is_tls(error)
        raise Unreachable(f"{where}: {what}: {_reason(error)}", again=None if hopeless else 0) from error


def _is_tls(error: BaseException) -> bool:
    return isinstance(_root(error), ssl.SSLError) and not isinstance(_root(error), ssl.SSLEOFError)


def _root(error: BaseException) -> BaseException:
    """Return the first cause of *error*. An error of our own that was being handled is not a cause."""
    while (cause := error.__cause__ or error.__context__) is not None and not isinstance(cause, AlpineError):
        error = cause
    return error


def _reason(error: BaseException) -> str:
    root = _root(error)
    return (isinstance(root, OSError) and root.strerror) or str(root) or type(root).__name__


def _retry_after(text: str) -> float:
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def _adapter(context: ssl.SSLContext) -> requests.adapters.BaseAdapter:
    from requests.adapters import HTTPAdapter

    class TrustingAdapter(HTTPAdapter):
        """Trusts what *context* trusts, and what requests trusts by default."""

        def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - requests' own signature
            super().init_poolmanager(*args, **options, ssl_context=context)

    return TrustingAdapter()
