"""A small HTTP/1.1 client for the engines' sockets.

Engines speak a narrow HTTP: fixed length or chunked answers, and a connection that is handed over whole
("hijacked") for attached streams. Importing the standard library's client and an SDK costs about as much as
a whole run, so this package speaks just that HTTP, after RFC 9110 and 9112. `Client` keeps idle connections and is safe
to use from several threads; a `Response` belongs to one, though any may close it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.errors import EngineLostError, EngineUnavailableError
from buildr_backends.http.connections import Connections
from buildr_backends.http.refusal import is_transient, refusal
from buildr_backends.http.request import Content, request_head, send
from buildr_backends.http.response import Response, silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildr_backends.http.endpoint import Connection, Endpoint

ANSWER_SECONDS = 120.0
"""How long an ordinary request may take: creating a container on a cold disk is the slowest of them."""
_SUSPECT_SECONDS = 4.0
"""How long any request may take once the engine has failed to give a sign of life."""

_PASSING_TRIES = 5
_PASSING_PAUSE_SECONDS = 0.1

_SUCCESS = (200, 201, 204, 304)
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
_UPGRADED = (101, 200)  # some engines hand over the connection with the latter


class Client:
    """Requests to one engine.

    Args:
        endpoint: where it listens.
        prefix: put before every path, e.g. ``/v4.0.0``.
    """

    def __init__(self, endpoint: Endpoint, prefix: str = "") -> None:
        self.endpoint = endpoint
        self.prefix = prefix
        self.connections = Connections(endpoint)
        self._suspect = False

    def expect(
        self,
        seconds: float,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        ok: tuple[int, ...] = _SUCCESS,
    ) -> Response:
        """Send a request that any healthy engine answers quickly; otherwise like `request`.

        If no answer comes in time, the engine counts as gone until it answers again, and no later request waits long for it.
        """
        try:
            return self.request(method, path, query=query, seconds=seconds, ok=ok)
        except EngineUnavailableError:
            self._suspect = True
            raise

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        content: Content | None = None,
        seconds: float | None = ANSWER_SECONDS,
        ok: tuple[int, ...] = _SUCCESS,
    ) -> Response:
        """Send a request and read the head of its answer.

        Args:
            method: of HTTP.
            path: behind the prefix; characters that cannot stand in a path must be quoted already.
            query: parameters.
            content: body and headers. Exceptions of the body's iterable pass through.
            seconds: how long the engine may take to accept and to answer, and then to send the body where it is read whole;
                of a stream each wait for more may last as long. ``None``: no limit, except for accepting.
            ok: statuses that are not errors.

        Raises:
            EngineUnavailableError: the connection is refused, or no answer comes in time.
            EngineLostError: the connection broke, or what answers does not speak HTTP.
            EngineError: the engine answered with a status outside ``ok``.
        """
        content = content or Content()
        head = request_head(method, self.prefix + path, query or {}, content)
        # Podman 4.3 panics when it is asked about an image that another request is changing, and refuses a whole list while
        # one thing of it is being removed; asked again it answers.
        tries = _PASSING_TRIES if method == "GET" else 1
        while True:
            response = self._exchange(method, head, content.data, seconds)
            if response.status in ok:
                return response
            error = refusal(method, path, response)
            tries -= 1
            if not tries or not is_transient(error):
                raise error
            time.sleep(_PASSING_PAUSE_SECONDS)

    def upgrade(
        self, path: str, *, query: Mapping[str, str] | None = None, content: Content | None = None
    ) -> Response:
        """Send a POST that asks for the connection to be handed over: see `Response.hijack`.

        Raises:
            BackendError: as `request`.
        """
        content = content or Content()
        asks = replace(content, headers={**_UPGRADE, **content.headers})
        return self.request("POST", path, query=query, content=asks, ok=_UPGRADED)

    def close(self) -> None:
        """See `buildr_backends.http.connections.Connections.close`."""
        self.connections.close()

    def _exchange(
        self, method: str, head: bytes, body: bytes | Iterable[bytes] | None, seconds: float | None
    ) -> Response:
        if self._suspect:
            seconds = min(seconds or _SUSPECT_SECONDS, _SUSPECT_SECONDS)
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            connection, fresh = self.connections.take(deadline)
            try:
                delivered, refused = send(connection, head, body)
            except BaseException:
                connection.close()
                raise
            if not delivered and not fresh:
                # The engine had closed the idle connection, and has seen nothing of this request.
                connection.close()
                continue
            if body is not None and seconds is not None:
                deadline = time.monotonic() + seconds
            try:
                response = self._answer(connection, method, deadline, refused)
            except EngineLostError:
                if fresh or refused is not None or method not in ("GET", "HEAD"):
                    raise  # the engine may have carried out the request
            else:
                self._suspect = False
                response.bound(seconds)
                return response

    def _answer(
        self, connection: Connection, method: str, deadline: float | None, refused: OSError | None
    ) -> Response:
        """Read the head of an answer; the connection is closed when there is none.

        An engine that refuses a body early answers before it closes: that answer matters most.
        """
        if isinstance(refused, TimeoutError):
            connection.close()
            raise silent(self.endpoint.url)
        try:
            return Response(
                self.endpoint.url,
                connection,
                method,
                deadline,
                give_back=self.connections.give_back,
                keep=refused is None,
            )
        except EngineLostError:
            connection.close()
            if refused is None:
                raise
            raise EngineLostError(
                f"the engine at {self.endpoint.url} closed the connection: {refused}"
            ) from None
        except BaseException:
            connection.close()
            raise
