"""Commands in a running container: the exec API, with the same requests for both engines.

Docker Engine API 1.41, "Exec"; Podman's libpod API 4.0, "exec". It has no way to send a signal: the command is
marked by a variable in its environment, and one more command finds it by that and sends it.

When an engine cannot start a command, it says why as if the command had written it, once the streams are open. Such text is
recognised by its words together with the exit status.
"""

from __future__ import annotations

import re
import secrets
import signal as signals
import socket
from typing import TYPE_CHECKING

from buildr.engines.streams import STDERR, STDOUT
from buildr.errors import (
    CommandNotFoundError,
    ContainerError,
    EngineError,
    EngineLostError,
    NotExecutableError,
)
from buildr.host import console
from buildr_backends.http.request import json_content
from buildr_backends.shared.attach import HijackedStreams
from buildr_backends.shared.engine import SOON_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.engines.records import CommandSpec
    from buildr.engines.streams import Output
    from buildr_backends.http.client import Client
    from buildr_backends.http.endpoint import Connection

_MARK = "BUILDR_EXEC"

# Podman's own words come before those of its error values (libpod/define/errors.go), Docker's before those of runc.
_REFUSAL = re.compile(
    rb"(?:Error: [^\n]*: OCI (?:runtime attempted to invoke a command that was not found|permission denied|runtime error)\n"
    rb"|OCI runtime exec failed: [^\n]*\r\n"
    rb"|unable to find (?:user|group) [^\n]*\r\n)"
)
# When a command ends with input unread that no pipe takes, the monitor resets its connection to Podman. Podman then reads no
# more output from it, and writes this as if it were the command's standard error. A container is attached to twice for that
# (`buildr_backends.shared.attach.SplitStreams`); to a command that cannot be done.
_NOISE = re.compile(
    rb"Error: (?:read|write) unixpacket @->/proc/self/fd/\d+/attach:"
    rb" (?:read|write): (?:connection reset by peer|broken pipe)\n"
)
_HELD = 16  # pieces that are held back, since a command can write the same
_NOT_FOUND = re.compile(r"not found|no such file or directory", re.IGNORECASE)

# PPid 0: its parent is outside of the container, as that of every command that an engine starts.
_SEND = f"""\
import os, sys
mark = b"{_MARK}=" + sys.argv[1].encode()
number = int(sys.argv[2])
for name in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open("/proc/" + name + "/environ", "rb") as file:
            marked = mark in file.read().split(b"\\0")
        with open("/proc/" + name + "/status") as file:
            first = "PPid:\\t0\\n" in file.read()
        if marked and (first or number == {int(signals.SIGKILL)}):
            os.kill(int(name), number)
    except OSError:
        pass
"""


class ExecStreams(HijackedStreams):
    """A `buildr.engines.streams.Execution` over a connection that an engine has handed over."""

    def __init__(
        self,
        connection: Connection,
        early: bytes,
        client: Client,
        place: tuple[str, str, str],
        spec: CommandSpec,
    ) -> None:
        super().__init__(connection, early, framed=not spec.tty)
        self._client = client
        self._container, self._id, self._mark = place
        self._spec = spec
        self._local = getattr(connection, "family", None) == socket.AF_UNIX
        self._first = True
        self._cut = False
        self._held: list[tuple[int, bytes]] = []

    def read(self) -> Output:
        """Wait for output; see `buildr.engines.protocol.Backend.execute` for what it may raise."""
        while True:
            pieces = self._pieces()
            if not pieces:
                return self._end()
            # A possible message of the engine is held back until it is known whether output follows.
            found: list[tuple[int, memoryview]] = []
            for stream, data in pieces:
                if len(self._held) < _HELD and self._own(stream, data):
                    self._held.append((stream, bytes(data)))
                    continue
                found += [(kept, memoryview(text)) for kept, text in self._held]
                found.append((stream, data))
                self._held = []
                self._first = False
            if found:
                return found

    def close_write(self) -> None:
        """End standard input; that of a terminal cannot be ended, and Docker would end all of the streams."""
        if not self._spec.tty:
            super().close_write()

    def status(self) -> int | None:
        """See `buildr.engines.streams.Execution.status`."""
        return self._client.expect(SOON_SECONDS, "GET", f"/exec/{self._id}/json").json(
            lambda found: None if found["Running"] else found["ExitCode"]
        )

    def kill(self, signal: int) -> None:
        """See `buildr.engines.streams.Execution.kill`."""
        if self.status() is None:
            command = {
                "Cmd": ["python", "-c", _SEND, self._mark, str(signal)],
                "User": self._spec.user or "",
            }
            sender = _create(self._client, self._container, command)
            body = {"Detach": True, "Tty": False}
            self._client.request("POST", f"/exec/{sender}/start", content=json_content(body)).read()

    def resize(self, *, rows: int, columns: int) -> None:
        """See `buildr.engines.streams.Execution.resize`."""
        query = {"h": str(rows), "w": str(columns)}
        # As with a container, a refusal means that the terminal is gone, or does not exist yet.
        self._client.expect(
            SOON_SECONDS,
            "POST",
            f"/exec/{self._id}/resize",
            query=query,
            ok=(200, 201, 204, 400, 404, 409, 500),
        ).read()

    def _pieces(self) -> Output:
        try:
            return super().read()
        except EngineLostError as error:
            # Podman closes a connection from which it has not read all input. On a Unix socket all output that it
            # has sent comes first; whether that is inside a frame the decoder knows.
            if self._local and isinstance(error.__context__, ConnectionResetError):
                self._decoder.finish()
                self._cut = True
                return ()
            raise

    def _own(self, stream: int, data: memoryview) -> bool:
        if _NOISE.fullmatch(data) and not self._spec.tty and stream == STDERR:
            return True
        return self._first and stream in (STDOUT, STDERR) and bool(_REFUSAL.fullmatch(data))

    def _end(self) -> Output:
        """Return what was held back and turned out to be output.

        Raises:
            ContainerError: the engine could not start the command.
        """
        left = [(stream, data) for stream, data in self._held if not _NOISE.fullmatch(data)]
        self._cut = self._cut or len(left) < len(self._held)
        self._held = []
        if left and self.status() in (125, 126, 127, 255):
            raise _refused(left[0][1].decode(errors="replace").strip())
        if self._cut and not left:
            console.warn(
                "the command ended without reading all of its input; Podman may have lost the end of its output"
            )
        self._cut = self._cut and bool(left)
        return [(stream, memoryview(data)) for stream, data in left]


def execute(client: Client, container: str, spec: CommandSpec) -> ExecStreams:
    """Start a command; see `buildr.engines.protocol.Backend.execute`.

    Args:
        client: of the engine.
        container: a container's id.
        spec: the command.
    """
    mark = secrets.token_hex(8)
    environment = {**spec.environment, _MARK: mark}
    body = {
        "AttachStdin": spec.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": spec.tty,
        "Cmd": list(spec.command),
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "WorkingDir": spec.workdir or "",
        "User": spec.user or "",
    }
    try:
        created = _create(client, container, body)
        start = {"Detach": False, "Tty": spec.tty}
        response = client.upgrade(f"/exec/{created}/start", content=json_content(start))
    except EngineError as error:
        raise _refused(error.message) from None
    connection, early = response.hijack()
    return ExecStreams(connection, early, client, (container, created, mark), spec)


def _create(client: Client, container: str, body: Mapping[str, object]) -> str:
    path = f"/containers/{container}/exec"
    return client.request("POST", path, content=json_content(body)).json(
        lambda found: str(found["Id"])
    )


def _refused(message: str) -> ContainerError:
    message = message.removeprefix("Error: ")
    if "unable to find" in message:
        return NotExecutableError(f"the command cannot be started: {message}")
    if _NOT_FOUND.search(message) and "chdir" not in message:
        return CommandNotFoundError(f"the command was not found in the container: {message}")
    if "permission denied" in message or "exec failed" in message or "chdir" in message:
        return NotExecutableError(f"the command cannot be executed: {message}")
    return ContainerError(f"the command cannot be started: {message}")
