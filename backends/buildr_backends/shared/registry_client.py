"""A registry over HTTP, as far as artifacts beside an image need it: small requests, bounded answers, the user's own login.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md. Images themselves go through the engines.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from msgspec import Struct

from buildr_backends.shared import credentials
from buildr_backends.shared.transfer import push_error

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

__all__ = ["Answer", "Registry"]

_SECONDS = 60.0
_MOST_BYTES = 4 << 20  # of an answer; what is asked for is a manifest or a token
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?", re.ASCII)
_HUB, _HUB_HOST = "docker.io", "registry-1.docker.io"
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_OK = (200, 201, 202, 204, 404)


class Answer(Struct, frozen=True, kw_only=True):
    """What a registry has answered."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    data: bytes


class Registry:
    """The registry of an image, and the repository in it.

    Registries are spoken to over TLS, but for one on this machine that has none, as engines do.

    Args:
        reference: the image's full reference.
        podman: whose logins come first: see `credentials.credentials`.
    """

    def __init__(self, reference: str, *, podman: bool) -> None:
        domain, _, name = reference.partition("@")[0].partition("/")
        head, slash, last = name.rpartition("/")
        self.reference = reference
        self._host = _HUB_HOST if domain == _HUB else domain
        self._path = f"{head}{slash}{last.partition(':')[0]}"
        self._login = credentials.credentials(reference, podman=podman) or {}
        self._authorization = ""
        self._scheme = "https"
        proxies: dict[str, str] | None = {} if _LOOPBACK.fullmatch(self._host) else None
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler(proxies), _NoRedirect()
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request, with the login that the registry asks for.

        Args:
            method: of HTTP.
            path: below the repository, such as ``manifests/latest``; or where the registry has told to go, a whole address.
            data: the body.
            headers: of the request.

        Returns:
            Its answer; 404 is one.

        Raises:
            PushError: the registry cannot be reached, or refuses.
        """
        given = dict(headers or {})
        answer = self._send(method, self._url(path), data, given)
        if answer.status == 401 and self._log_in(answer.headers.get("www-authenticate", "")):
            answer = self._send(method, self._url(path), data, given)
        if answer.status not in _OK:
            raise push_error(self.reference, _reason(answer))
        return answer

    def upload(self, digest: str, data: bytes) -> None:
        """Store a blob, if it is not there.

        Raises:
            PushError: see `request`.
        """
        if self.request("HEAD", f"blobs/{digest}").status == 200:
            return
        begun = self.request("POST", "blobs/uploads/", data=b"")
        place = begun.headers.get("location", "")
        top = f"{self._scheme}://{self._host}/"
        url = urljoin(top, place)
        query = urlencode({"digest": digest})
        self.request(
            "PUT",
            f"{url}{'&' if urlsplit(url).query else '?'}{query}",
            data=data,
            headers={"Content-Type": "application/octet-stream"},
        )

    def _url(self, path: str) -> str:
        known = f"{self._scheme}://{self._host}/v2/{self._path}/{path}"
        return path if "://" in path else known

    def _send(self, method: str, url: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        try:
            return self._open(method, url, data, headers)
        except OSError as error:
            plain = self._scheme == "https" and _LOOPBACK.fullmatch(self._host)
            if not plain or not url.startswith(f"https://{self._host}/"):
                raise push_error(self.reference, _text_of(error)) from None
        self._scheme = "http"
        try:
            return self._open(method, f"http{url.removeprefix('https')}", data, headers)
        except OSError as error:
            raise push_error(self.reference, _text_of(error)) from None

    def _open(self, method: str, url: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (
            parts.scheme == "http" and _LOOPBACK.fullmatch(parts.netloc)
        ):
            raise OSError(f"{parts.scheme}://{parts.netloc} is not reached over TLS")
        # A registry may have blobs sent elsewhere; its login does not go there.
        if self._authorization and parts.netloc == self._host:
            headers = {"Authorization": self._authorization, **headers}
        request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - checked above
        try:
            with self._opener.open(request, timeout=_SECONDS) as response:
                return _answer(response.status, response.headers, response.read(_MOST_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.headers, error.read(_MOST_BYTES))

    def _log_in(self, challenge: str) -> bool:
        """Take up what a registry asks for, RFC 9110 and Docker's token authentication; return whether there is more to show now."""
        kind, _, rest = challenge.partition(" ")
        before = self._authorization
        user, password = self._login.get("username", ""), self._login.get("password", "")
        basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        if kind.lower() == "basic":
            self._authorization = basic
        elif kind.lower() == "bearer":
            token = self._token(dict(_CHALLENGE.findall(rest)), basic)
            self._authorization = f"Bearer {token}" if token else ""
        return bool(self._authorization) and self._authorization != before

    def _token(self, asked: Mapping[str, str], basic: str) -> str:
        realm = asked.get("realm", "")
        fields = {
            "service": asked.get("service", ""),
            "scope": asked.get("scope") or f"repository:{self._path}:pull,push",
        }
        if identity := self._login.get("identitytoken"):
            more = {"grant_type": "refresh_token", "refresh_token": identity, "client_id": "buildr"}
            body = urlencode({**fields, **more}).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._send("POST", realm, body, kind)
        else:
            query = f"{realm}{'&' if urlsplit(realm).query else '?'}{urlencode(fields)}"
            answer = self._send("GET", query, None, {"Authorization": basic} if basic else {})
        try:
            found = json.loads(answer.data)
            token = found.get("token") or found.get("access_token")
        except (ValueError, AttributeError):
            token = None
        return token if isinstance(token, str) and token.isprintable() else ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a registry answers a write itself."""

    def redirect_request(self, *_: Any) -> None:
        """Do not."""


def _answer(status: int, headers: Message, data: bytes) -> Answer:
    return Answer(
        status=status, headers={name.lower(): text for name, text in headers.items()}, data=data
    )


def _text_of(error: OSError) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


def _reason(answer: Answer) -> str:
    """Return why a registry refuses, in its own words where it has any."""
    try:
        (found, *_) = json.loads(answer.data)["errors"]
        text = f"{found['code']}: {found['message']}"
    except (ValueError, KeyError, TypeError):
        text = ""
    shown = "".join(c if c.isprintable() else " " for c in text)[:300]
    return f"the registry answered {answer.status} {shown}".rstrip()
