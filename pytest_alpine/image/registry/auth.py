"""Authorization at a registry: the credentials that ``docker login`` stored, and the tokens they are exchanged for.

Specs: RFC 9110 section 11.6.1 (challenges), https://distribution.github.io/distribution/spec/auth/token/ and .../oauth/
"""

from __future__ import annotations

import base64
import re
import warnings
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import ImageError, MalformedImage
from pytest_alpine.image.http.client import shown
from pytest_alpine.image.spec.documents import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

    from pytest_alpine.image.http.client import HttpClient, Response

_PARAMETER: Final = r'[A-Za-z][\w-]*\s*=\s*(?:"[^"]*"|[^\s,"]+)'
_PARAMETERS: Final = rf"{_PARAMETER}(?:\s*,\s*{_PARAMETER})*"
_CHALLENGE: Final = re.compile(rf"(?P<scheme>[A-Za-z][\w-]*)(?:\s+(?P<parameters>{_PARAMETERS}))?")
_TOKEN_LIMIT: Final = 1 << 20  # bytes
_CLIENT: Final = "pytest-alpine"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """What ``docker login`` stored for one registry."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    """Replaces name and password, if the registry's token server issues such tokens."""

    @property
    def basic(self) -> str:
        """The value of the Authorization header in the scheme Basic."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Authorization:
    """One value of the Authorization header, in a form that requests does not send to other hosts."""

    header: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header to *request*."""
        request.headers["Authorization"] = self.header
        return request


def read_credentials(host: str) -> Credentials | None:
    """Return the credentials for the registry *host* from Docker's configuration and its credential helpers.

    Raises:
        ImageError: the configuration or a credential helper is broken.
    """
    import docker.auth
    from docker.errors import DockerException

    try:
        with warnings.catch_warnings():
            # docker warns about a helper that is not installed, and then raises an error that says the same.
            warnings.simplefilter("ignore")
            found = docker.auth.load_config().resolve_authconfig(host)
    except (DockerException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = error.__cause__ or error  # the helper's own words; docker's message is a repr of them
        raise ImageError(f"the credentials of Docker's configuration cannot be read: {reason}") from error
    # Credential helpers capitalize the names of fields, the configuration file does not.
    values = {str(name).lower(): value for name, value in (found or {}).items() if isinstance(value, str)}
    credentials = Credentials(
        username=values.get("username", ""),
        password=values.get("password", ""),
        identity_token=values.get("identitytoken", ""),
    )
    return None if credentials == Credentials() else credentials


def parse_challenges(header: str) -> dict[str, dict[str, str]]:
    """Return the parameters of every scheme in a WWW-Authenticate *header*, names in lower case.

    >>> parse_challenges('Bearer realm="https://auth.example/token",service="example", Basic realm="x"')
    {'bearer': {'realm': 'https://auth.example/token', 'service': 'example'}, 'basic': {'realm': 'x'}}
    """
    found = {}
    for match in _CHALLENGE.finditer(header):
        pairs = (text.partition("=") for text in re.findall(_PARAMETER, match["parameters"] or ""))
        found[match["scheme"].lower()] = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
    return found


def authorize(client: HttpClient, challenge: str, scope: str, credentials: Credentials | None) -> Authorization | None:
    """Return the authorization that a WWW-Authenticate *challenge* asks for, or None without suitable credentials.

    Args:
        client: fetches tokens.
        challenge: the header's value.
        scope: of the token, if the challenge names none.
        credentials: None asks for an anonymous token.

    Raises:
        ImageError: the token server refuses, or answers with something else.
    """
    challenges = parse_challenges(challenge)
    if "bearer" in challenges:
        return Authorization(header=f"Bearer {_token(client, challenges['bearer'], scope, credentials)}")
    if "basic" in challenges and credentials is not None:
        return Authorization(header=credentials.basic)
    return None


def _token(client: HttpClient, challenge: Mapping[str, str], scope: str, credentials: Credentials | None) -> str:
    realm = challenge.get("realm", "")
    if not realm.startswith(("https://", "http://")):
        raise MalformedImage(f"the registry names no token server: realm {realm!r} (expected a URL)")
    fields = {"service": challenge.get("service", ""), "scope": challenge.get("scope") or scope}
    response = _ask(client, realm, fields, credentials)
    if response.status != HTTPStatus.OK:
        who = f"for user {credentials.username!r}" if credentials and credentials.username else "for nobody"
        raise ImageError(
            f"{shown(realm)}: the token server answers {response.status} {who}; log in again with `docker login`"
        )
    document = parse_json(response.body, shown(realm))
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str):
        raise MalformedImage(f"{shown(realm)}: no token in the answer (expected field 'token' or 'access_token')")
    return token


def _ask(client: HttpClient, realm: str, fields: dict[str, str], credentials: Credentials | None) -> Response:
    if credentials is not None and credentials.identity_token:
        form = {"grant_type": "refresh_token", "refresh_token": credentials.identity_token, "client_id": _CLIENT}
        return client.document("POST", realm, limit=_TOKEN_LIMIT, data={**fields, **form})
    more: dict[str, Any] = {}
    if credentials is not None:
        more["auth"] = Authorization(header=credentials.basic)
    return client.document("GET", realm, limit=_TOKEN_LIMIT, params=fields, **more)
