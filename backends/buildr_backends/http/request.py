"""Writes requests (RFC 9112): the head, quoted by RFC 3986, and the content."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildr_backends.http.endpoint import Connection

_QUOTED = re.compile(rb"[^A-Za-z0-9_.~-]")
_QUOTED_IN_PATH = re.compile(rb"[^A-Za-z0-9_.~/:@-]")


class Content(Struct, frozen=True, kw_only=True):
    """The content of a request."""

    data: bytes | Iterable[bytes] | None = None
    """The body: as it is, or in chunks."""
    headers: Mapping[str, str] = {}
    more_headers: Iterable[tuple[str, str]] = ()
    """Headers that occur several times."""


def json_content(document: object) -> Content:
    """Return a JSON document as a request's content."""
    return Content(data=json.dumps(document).encode(), headers={"Content-Type": "application/json"})


def tar_content(archive: bytes | Iterable[bytes]) -> Content:
    """Return a tar archive as a request's content."""
    return Content(data=archive, headers={"Content-Type": "application/x-tar"})


def request_head(method: str, path: str, query: Mapping[str, str], content: Content) -> bytes:
    """Return the head of a request."""
    fields = {"Host": "buildr", "User-Agent": "buildr", **content.headers}
    if isinstance(content.data, bytes):
        fields["Content-Length"] = str(len(content.data))
    elif content.data is not None:
        fields["Transfer-Encoding"] = "chunked"
    elif method not in ("GET", "HEAD"):
        fields["Content-Length"] = "0"
    target = path + (f"?{encode_query(query)}" if query else "")
    headers = (*fields.items(), *content.more_headers)
    lines = (f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers), "", "")
    return "\r\n".join(lines).encode("latin-1")


def send(
    connection: Connection, head: bytes, body: bytes | Iterable[bytes] | None
) -> tuple[bool, OSError | None]:
    """Send a request.

    Returns:
        Whether the peer may have got any of it, and the error if it would not take all of it.
    """
    first = head + body if isinstance(body, bytes) else head
    try:
        sent = connection.send(first)
    except OSError as error:
        return False, error
    try:
        connection.sendall(memoryview(first)[sent:])
    except OSError as error:
        return True, error
    if body is None or isinstance(body, bytes):
        return True, None
    for chunk in body:  # its own errors (a file that cannot be read) are not the connection's
        if chunk:
            try:
                connection.sendall(b"".join((b"%x\r\n" % len(chunk), chunk, b"\r\n")))
            except OSError as error:
                return True, error
    try:
        connection.sendall(b"0\r\n\r\n")
    except OSError as error:
        return True, error
    return True, None


def quote(text: str) -> str:
    """Quote text for a path, in which ``/``, ``:`` and ``@`` may stand (RFC 3986)."""
    return _percent(_QUOTED_IN_PATH, text)


def encode_query(query: Mapping[str, str]) -> str:
    """Return parameters as they are written behind the ``?``."""
    return "&".join(f"{_percent(_QUOTED, k)}={_percent(_QUOTED, v)}" for k, v in query.items())


def _percent(quoted: re.Pattern[bytes], text: str) -> str:
    # A file name that is not UTF-8 is sent as its bytes.
    data = text.encode(errors="surrogateescape")
    return quoted.sub(lambda found: b"%%%02X" % found[0][0], data).decode("ascii")
