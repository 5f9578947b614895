"""A container of a fake engine: a function in a thread, with streams and signals as a process has them."""

from __future__ import annotations

import contextlib
import io
import signal
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from buildr.engines.records import short_id
from buildr.engines.streams import STDERR, STDOUT
from buildr.layout import CALL
from buildr.testing.call import FakeCall, FakeCalls
from buildr.testing.signals import GuestSignals
from buildr.testing.streams import FakeAttachment, GuestEnded, GuestInput, GuestOutput, Plumbing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.engines.container_spec import ContainerSpec, Port
    from buildr.engines.records import CommandSpec, Health, Image


class FakeContainer:
    """A container, and everything that its guest can use.

    Attributes:
        id: 64 hexadecimal digits.
        spec: what it was created from.
        image: the image that it was created from.
        ports: its published ports, as they are bound.
        argv: the whole command without the image's ENTRYPOINT.
        environment: the image's variables, and those of ``spec``.
        files: what the guest has by absolute path: put there by an archive or by the guest, read back by an archive.
        stdin: bytes from the host, read as from a file.
        stdout: accepts bytes for the host, unbuffered.
        stderr: the same; with a terminal it is one stream with ``stdout``.
        signals: how the guest handles signals.
        terminal_size: rows and columns, once the host has set them.
        started: whether it was started.
        removed: whether it was removed.
        volumes_removed: whether its anonymous volumes went with it.
        health: the result of its health check, where it has one; may be changed at any time.
        calls: those that it gets; ``None`` where it runs a script.
        error: an exception that the guest did not catch; its exit status is 1 then.
    """

    def __init__(
        self, identity: str, spec: ContainerSpec, image: Image, ports: tuple[Port, ...]
    ) -> None:
        plumbing = Plumbing()
        self.id = identity
        self.spec = spec
        self.ports = ports
        self.argv: tuple[str, ...] = spec.command or image.command
        own = dict(line.split("=", 1) for line in image.environment)
        self.environment: Mapping[str, str] = {**own, **spec.environment}
        self.files: dict[str, bytes] = {}
        self.stdin = io.BufferedReader(GuestInput(plumbing)) if spec.stdin else io.BytesIO()
        self.stdout: io.RawIOBase = GuestOutput(plumbing, STDOUT)
        self.stderr: io.RawIOBase = GuestOutput(plumbing, STDOUT if spec.tty else STDERR)
        self.signals = GuestSignals(plumbing)
        self.terminal_size: tuple[int, int] | None = None
        self.started = False
        self.removed = False
        self.volumes_removed = False
        self.health: Health = "starting"
        self.error: BaseException | None = None
        self.image = image
        self.calls: FakeCalls | None = None
        self._plumbing = plumbing

    @property
    def exit_code(self) -> int | None:
        """The exit status; ``None`` until it has ended."""
        return self._plumbing.exit_code

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.started and not self._plumbing.ended

    @property
    def status(self) -> str:
        """The engine's term: ``created``, ``running`` or ``exited``."""
        if not self.started:
            return "created"
        return "exited" if self._plumbing.ended else "running"

    def cut(self, reason: str = "the connection broke") -> None:
        """Break the attached streams, as when an engine goes away; the guest itself goes on.

        What was written until now still reaches the host.
        """
        with self._plumbing.changed:
            self._plumbing.cut = reason
            self._plumbing.changed.notify_all()

    def start(self, guest: Guest) -> None:
        """Start a guest in a thread of its own."""
        self.started = True
        if CALL in self.spec.command:
            self.calls = FakeCalls(self.spec, self.stdin, self.files)
            if self.calls.outputs:
                self.stdout, self.stderr = self.calls.outputs
        name = f"guest-{short_id(self.id)}"
        threading.Thread(target=self._serve, args=(guest,), name=name, daemon=True).start()

    def ends_within(self, seconds: float) -> bool:
        """Wait for the guest's end, at most so many seconds; return whether it came."""
        with self._plumbing.changed:
            return self._plumbing.changed.wait_for(lambda: self._plumbing.ended, seconds)

    def wait(self) -> int:
        """Wait for the end; return the exit status."""
        with self._plumbing.changed:
            self._plumbing.changed.wait_for(lambda: self._plumbing.ended)
            return self._plumbing.exit_code or 0

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the terminal, which the guest learns by SIGWINCH."""
        self.terminal_size = (rows, columns)
        self.signals.send(signal.SIGWINCH)

    def attach(
        self, *, from_start: bool = False, follow: bool = True, tail: int | None = None
    ) -> FakeAttachment:
        """Return the host's end of the streams.

        Args:
            from_start: whether to read what was written already.
            follow: whether to wait for what is still to come.
            tail: how many of the last pieces to read at most; ``None``: all.
        """
        with self._plumbing.changed:
            written = len(self._plumbing.output)
            position = 0 if from_start else written
            if tail is not None:
                position = max(position, written - tail)
        return FakeAttachment(self._plumbing, position, follow=follow)

    def beside(self, spec: CommandSpec, identity: str) -> FakeContainer:
        """Return one more command in this container, which has streams and signals of its own.

        Args:
            spec: the command.
            identity: 64 hexadecimal digits.
        """
        own = replace(
            self.spec,
            command=spec.command,
            environment={**self.environment, **spec.environment},
            workdir=spec.workdir or self.spec.workdir,
            user=spec.user or self.spec.user,
            tty=spec.tty,
            stdin=spec.stdin,
        )
        found = FakeContainer(identity, own, self.image, ())
        found.files = self.files
        return found

    def _serve(self, guest: Guest) -> None:
        status = 1
        try:
            # A worker does nothing of the script's before its first call.
            is_idle = self.calls is not None and self.calls.current() is None
            status = 0 if is_idle else guest(self) or 0
        except GuestEnded:
            pass  # the status is that of the signal already
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException as error:  # noqa: BLE001 - what ends a script must not end the test's thread
            self.error = error
            with contextlib.suppress(GuestEnded, OSError):  # it has been removed
                self.stderr.write(traceback.format_exc().encode())
        if self.calls is not None:
            self.calls.close()
        with self._plumbing.changed:
            if not self._plumbing.ended:
                self._plumbing.exit_code = status & 0xFF
                self._plumbing.changed.notify_all()


class FakeExecution:
    """A `buildr.engines.streams.Execution` of a command that `FakeContainer.beside` has made."""

    def __init__(self, container: FakeContainer) -> None:
        self._container = container
        attachment = container.attach()
        self.read = attachment.read
        self.write = attachment.write
        self.close_write = attachment.close_write
        self.close = attachment.close

    def status(self) -> int | None:
        """See `buildr.engines.streams.Execution.status`."""
        return self._container.exit_code

    def kill(self, signal: int) -> None:
        """See `buildr.engines.streams.Execution.kill`."""
        self._container.signals.send(signal)

    def resize(self, *, rows: int, columns: int) -> None:
        """See `buildr.engines.streams.Execution.resize`."""
        self._container.resize(rows, columns)


Guest: TypeAlias = Callable[[FakeContainer], int | None]
"""A function that runs in place of a script; returns its exit status, ``None`` meaning 0."""


def call_in(container: FakeContainer) -> FakeCall | None:
    """Return the call that a container has to answer, once there is one.

    Call it again for the next one, which a container gets unless it ends. ``None``: it runs a script, or no more calls come.
    """
    return None if container.calls is None else container.calls.current()
