"""How requests sends one request: with what trust, and for how long it waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

    import requests

    from pytest_alpine.image.http.patience import Patience


def patient_adapter(patience: Patience, context: ssl.SSLContext | None = None) -> requests.adapters.BaseAdapter:
    """Return what sends each request, and each redirect, with the *patience* that is left for its host.

    It trusts what *context* trusts, and what requests trusts by default.
    """
    from requests.adapters import HTTPAdapter

    class PatientAdapter(HTTPAdapter):
        """Asks *patience* before every request, also before those that follow a redirect."""

        def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - requests' own signature
            if context is not None:
                options["ssl_context"] = context
            super().init_poolmanager(*args, **options)

        def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:  # noqa: ANN401
            options["timeout"] = patience.timeouts(urlsplit(str(request.url)).netloc)
            return super().send(request, *args, **options)

    return PatientAdapter()
