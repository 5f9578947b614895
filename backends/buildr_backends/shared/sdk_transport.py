"""The SDKs over Buildr's own transport: their own transports read without any limit of size or time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests import Response as SdkResponse
from requests.adapters import BaseAdapter

from buildr_backends.http.client import Client

if TYPE_CHECKING:
    from requests import PreparedRequest, Session

    from buildr_backends.http.endpoint import Endpoint

_ANY_STATUS = tuple(range(200, 600))


class _Adapter(BaseAdapter):
    """Sends requests without a body, and reads their answers whole, as `buildr_backends.http.response.Response` does."""

    def __init__(self, endpoint: Endpoint, seconds: float) -> None:
        super().__init__()
        self._client = Client(endpoint)
        self._seconds = seconds

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> SdkResponse:
        """Return the answer.

        Raises:
            BackendError: see `buildr_backends.http.client.Client.request`.
        """
        path = urlsplit(request.url or "").path
        answer = self._client.request(
            request.method or "GET", str(path), seconds=self._seconds, ok=_ANY_STATUS
        )
        found = SdkResponse()
        found.status_code = answer.status
        found.headers.update(answer.headers)
        found.url, found.request = request.url or "", request
        found._content = answer.read()  # noqa: SLF001 - as requests' own adapter leaves it to be read
        return found

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def take_over(session: Session, endpoint: Endpoint, seconds: float) -> None:
    """Route the requests of an SDK through Buildr's transport.

    Args:
        session: the SDK's, which is one of requests.
        endpoint: the engine's.
        seconds: how long each answer may take.
    """
    adapter = _Adapter(endpoint, seconds)
    for prefix in (*session.adapters, "http://", "https://"):
        session.mount(prefix, adapter)
