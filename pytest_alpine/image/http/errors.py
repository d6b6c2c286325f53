"""What can go wrong with HTTP. Errors of requests, urllib3 and sockets become these."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_alpine.errors import AlpineError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Unreachable(ImageError):
    """The server does not answer, or asks to try later."""

    def __init__(self, message: str, *, again: float | None = None, host: str = "") -> None:
        super().__init__(message)
        self.again = again
        """Seconds after which to try again; None if another attempt is pointless."""
        self.host = host
        """Who failed, where that may be another host than the one that was asked."""


class Silent(Unreachable):
    """The server was silent for as long as the request may wait."""


class Untrusted(Unreachable):
    """The server's certificate is not trusted."""


@contextmanager
def http_errors(where: str, what: str) -> Iterator[None]:
    """Turn the errors of a request into Unreachable; the message says that *what* happened at *where*."""
    import requests
    import urllib3.exceptions

    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        # After a redirect, only the error knows who was asked.
        url = getattr(getattr(error, "request", None), "url", None)
        host = urlsplit(url).netloc if isinstance(url, str) else ""
        text = f"{where}: {what}: {_reason(error)}"
        if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)) or _is_timeout(error):
            raise Silent(text, again=0, host=host) from error
        hopeless = isinstance(error, (ValueError, requests.TooManyRedirects)) or _is_tls(error)
        raise Unreachable(text, again=None if hopeless else 0, host=host) from error


@contextmanager
def certificate_errors(where: str, advice: str) -> Iterator[None]:
    """Turn the error of a certificate that is not trusted into one that gives *advice*."""
    try:
        yield
    except Unreachable as error:
        root = _root(error)
        if isinstance(root, ssl.SSLCertVerificationError):
            text = f"{where}: the certificate is not trusted: {root.verify_message}; {advice}"
            raise Untrusted(text) from error
        raise


def _is_timeout(error: BaseException) -> bool:
    return isinstance(_root(error), TimeoutError)


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
