"""The session of a build: a connection on which BuildKit requests files, secrets and logins."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import threading
from typing import TYPE_CHECKING

from buildr.archive.files import ArchiveFiles
from buildr.engines.plaintext import refuse_plaintext
from buildr.errors import OptionError
from buildr.host.signals import block_signals
from buildr_backends.docker.buildkit import files
from buildr_backends.docker.buildkit.grpc import (
    INTERNAL,
    NOT_FOUND,
    UNIMPLEMENTED,
    GrpcServer,
    RefusedError,
)
from buildr_backends.docker.buildkit.protobuf import encode, texts
from buildr_backends.http.request import Content
from buildr_backends.shared.credentials import credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from buildr.archive.archive import Archive
    from buildr.archive.files import ArchiveFile
    from buildr.errors import BuildrError
    from buildr_backends.docker.buildkit.grpc import Call
    from buildr_backends.http.client import Client

_FILES = "/moby.filesync.v1.FileSync/DiffCopy"
_LOGIN = "/moby.filesync.v1.Auth/Credentials"
_SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"  # noqa: S105 - the name of a method
_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = encode({1: 1})

# What BuildKit calls Docker Hub, and what logins call it.
_HUB, _HUB_LOGIN = "registry-1.docker.io", "docker.io"
_HEADER = "X-Docker-Expose-Session-"


class Session:
    """Answers BuildKit's requests in a separate thread; a context manager.

    Attributes:
        id: by which a build names it.
        error: why a file, or a login, could not be sent.

    Args:
        client: to the engine.
        archive: the files.
        containerfile: which of the made-up ones is the Containerfile.
        values: of the build's secrets, by their ids.
    """

    def __init__(
        self, client: Client, archive: Archive, containerfile: str, values: Mapping[str, bytes]
    ) -> None:
        self.id = secrets.token_hex(16)
        self.error: BuildrError | None = None
        self._values = values
        self._endpoint = client.endpoint
        self._containerfile = containerfile
        self._files = ArchiveFiles(archive)
        try:
            headers = {
                f"{_HEADER}Uuid": self.id,
                f"{_HEADER}Name": "buildr",
                # The engine caches the files of a directory under this key, so that only changes are sent.
                f"{_HEADER}Sharedkey": _key(archive.tree.root),
                "Upgrade": "h2c",
            }
            methods = [
                (f"{_HEADER}Grpc-Method", name) for name in (_FILES, _LOGIN, _SECRET, _HEALTH)
            ]
            asks = Content(headers=headers, more_headers=methods)
            response = client.upgrade("/session", content=asks)
        except BaseException:
            self._files.close()
            raise
        self._connection, early = response.hijack()
        self._connection.settimeout(None)
        server = GrpcServer(self._connection, early, self._answer)
        self._thread = threading.Thread(
            target=self._serve, args=(server,), name="buildr-session", daemon=True
        )

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it; a build that still needs it fails."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()
        self._files.close()

    def _serve(self, server: GrpcServer) -> None:
        block_signals()
        with contextlib.suppress(OSError):
            server.serve()

    def _answer(self, path: str, headers: Mapping[str, str]) -> Call:
        if path == _FILES:
            return files.Transfer(self._listed(headers), self._note)
        if path == _LOGIN:
            return _Answer(self._login)
        if path == _SECRET:
            return _Answer(self._secret)
        if path == _HEALTH:
            return _Answer(lambda _: _SERVING)
        raise RefusedError(UNIMPLEMENTED, path)

    def _listed(self, headers: Mapping[str, str]) -> Sequence[ArchiveFile]:
        """Return the files of the requested directory."""
        if headers.get("dir-name") == "dockerfile":
            return self._files.member(self._containerfile)
        # Ignored files have already been left out, by the same rules for both engines.
        if headers.get("followpaths") == ".dockerignore":
            return []
        return self._files.tree()

    def _note(self, error: BuildrError) -> None:
        self.error = self.error or error

    def _login(self, request: Mapping[int, str]) -> bytes:
        """Return the login to a registry; empty if there is none."""
        host = request.get(1, "")
        found = credentials(f"{_HUB_LOGIN if host == _HUB else host}/", podman=False) or {}
        if found and self._endpoint.plaintext:
            try:
                refuse_plaintext(self._endpoint.url, f"the login for {host}")
            except OptionError as error:
                self._note(error)
                raise RefusedError(INTERNAL, "no login in clear") from None
        if token := found.get("identitytoken"):
            return encode({2: token})
        return encode({1: found.get("username", ""), 2: found.get("password", "")})

    def _secret(self, request: Mapping[int, str]) -> bytes:
        value = self._values.get(request.get(1, ""))
        if value is None:
            raise RefusedError(NOT_FOUND, "no such secret")
        return encode({1: value})


class _Answer:
    """One answer to one message: a `buildr_backends.docker.buildkit.grpc.Call`."""

    def __init__(self, answer: Callable[[Mapping[int, str]], bytes]) -> None:
        self._answer = answer
        self._answered = False

    @property
    def done(self) -> bool:
        """Whether it has been answered."""
        return self._answered

    def start(self) -> Iterable[bytes]:
        """Return nothing: the request comes first."""
        return ()

    def message(self, data: bytes) -> Iterable[bytes]:
        """Answer."""
        if self._answered:
            raise RefusedError(INTERNAL, "a second message where there is one")
        self._answered = True
        try:
            return [self._answer(texts(data))]
        except ValueError as error:
            raise RefusedError(INTERNAL, str(error)) from None


def _key(root: Path) -> str:
    host = f"{os.uname().nodename} {os.getuid()} {root}"
    return hashlib.sha256(os.fsencode(host)).hexdigest()
