"""The way to an engine on another machine: its socket and the published ports, forwarded by ``ssh``."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING

from buildr.engines.records import short_id
from buildr.errors import ContainerError, EngineUnavailableError
from buildr.host import temporary
from buildr_backends.http.endpoint import Endpoint
from buildr_backends.http.ssh import Forwarding, hint_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.engines.container_spec import Port
    from buildr_backends.http.endpoint import SshAddress

_LONGEST_SOCKET = 107  # bytes of a Unix socket's path, unix(7)
_ALL_OR_NONE = ("-o", "ExitOnForwardFailure=yes")


class Tunnel:
    """The way to an engine on another machine; it is opened when first needed, and again when it has broken.

    Args:
        endpoint: with an address for ssh.
    """

    def __init__(self, endpoint: Endpoint, address: SshAddress) -> None:
        self._url = endpoint.url
        self._address = address
        self._exit = contextlib.ExitStack()
        self._folder = ""
        self._socket: Forwarding | None = None
        self._ports: dict[str, Forwarding] = {}  # by containers' ids
        self._opening = threading.Lock()

    def endpoint(self, *, again: bool = False) -> Endpoint:
        """Return the local endpoint of the engine.

        Args:
            again: whether to log in again, although ``ssh`` still runs.

        Raises:
            EngineUnavailableError: ``ssh`` cannot log in, or forwards nothing.
        """
        with self._opening:
            return self._opened(again=again)

    def _opened(self, *, again: bool) -> Endpoint:
        path = f"{self._directory()}/engine.sock"
        if again or self._socket is None or not self._socket.alive:
            self._end_socket()
            self._socket = Forwarding(
                self._address, [f"{path}:{self._address.path}"], f"{self._folder}/engine.log"
            )
            if not os.path.exists(path):
                raise EngineUnavailableError(
                    f"ssh does not forward the socket of {self._url}: {self._socket.messages()}",
                    hint="sshd_config(5): AllowStreamLocalForwarding and DisableForwarding decide on it.",
                )
        return Endpoint(url=self._url, path=path)

    def hint(self) -> str:
        """Say why the engine does not answer although ``ssh`` has logged in; empty if unknown."""
        text = self._socket.messages() if self._socket is not None else ""
        return hint_of(text, self._address) if text else ""

    def forward(self, container: str, bindings: Sequence[Port]) -> None:
        """Forward the published TCP ports of a container to the same ports of 127.0.0.1 here; ``ssh`` forwards no others.

        Raises:
            ContainerError: one is taken here.
        """
        forwards = sorted(
            {
                f"127.0.0.1:{binding.host}:{_connectable(binding)}:{binding.host}"
                for binding in bindings
                if binding.protocol == "tcp" and binding.host
            }
        )
        if not forwards:
            return
        log = f"{self._directory()}/{short_id(container)}.log"
        try:
            self._ports[container] = Forwarding(self._address, forwards, log, *_ALL_OR_NONE)
        except EngineUnavailableError as error:
            raise ContainerError(
                f"the published ports cannot be forwarded from {self._address.destination}: {error.what}",
                hint='A port that is taken here can be published at another: ports=["8080:80"].',
            ) from None

    def end(self, container: str) -> None:
        """Stop forwarding the ports of a container."""
        if forwarding := self._ports.pop(container, None):
            forwarding.close()

    def close(self) -> None:
        """End all that was started."""
        for container in list(self._ports):
            self.end(container)
        self._end_socket()
        self._exit.close()
        self._folder = ""

    def _directory(self) -> str:
        if not self._folder:
            self._folder = self._exit.enter_context(temporary.folder())
            if len(os.fsencode(self._folder)) + len("/engine.sock") > _LONGEST_SOCKET:
                raise EngineUnavailableError(
                    f"the path of a socket in {self._folder} would be too long",
                    hint="Set TMPDIR to a folder with a shorter path.",
                )
        return self._folder

    def _end_socket(self) -> None:
        if self._socket is None:
            return
        ended, self._socket = self._socket, None
        ended.close()
        if _listens(f"{self._folder}/engine.sock"):
            ended.cancel()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._folder}/engine.sock")


def _connectable(binding: Port) -> str:
    """Return an address there to connect to, for a port that is published."""
    if binding.everywhere:
        return "[::1]" if binding.host_ip == "::" else "127.0.0.1"
    return binding.bracketed_ip


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
