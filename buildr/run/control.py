"""The thread that talks to the engine while a guest runs: it forwards signals, ends the grace period, and detects a silent engine."""

from __future__ import annotations

import os
import signal
import threading
import time
from queue import Empty
from typing import TYPE_CHECKING, Protocol, Self

from buildr.errors import BackendError
from buildr.host import terminal
from buildr.host.signals import END, Signals, block_signals

if TYPE_CHECKING:
    from buildr.engines.records import ContainerState
    from buildr.engines.streams import Attachment
    from buildr.host.terminal import Terminal

_SILENT_SECONDS = 10.0  # without output, before the engine is asked whether it is alive
_STALLED_SECONDS = 5.0  # without output, after the guest has ended
_START_SECONDS = 5.0  # for a guest's first process to be ready for signals, which takes 0.02
_START_PAUSE_SECONDS = 0.01  # between two checks


class Controlled(Protocol):
    """The part of an engine that `Control` needs; a `buildr.engines.protocol.Backend` is one."""

    def ping(self) -> None:
        """See `buildr.engines.protocol.Backend.ping`."""
        ...

    def state(self, container: str) -> ContainerState | None:
        """See `buildr.engines.protocol.Backend.state`."""
        ...

    def processes(self, container: str) -> int:
        """See `buildr.engines.protocol.Backend.processes`."""
        ...

    def kill(self, container: str, signal: int) -> None:
        """See `buildr.engines.protocol.Backend.kill`."""
        ...

    def resize(self, container: str, *, rows: int, columns: int) -> None:
        """See `buildr.engines.protocol.Backend.resize`."""
        ...


class Control:
    """The thread that talks to the engine while a guest runs; a context manager.

    Attributes:
        heard: set by the output thread whenever there is output.
        reading: whether the output thread is waiting for output.
        cancelled: whether the user requested the end.
        ended: whether Buildr itself requested the end.
        forced: whether the user insisted, and the guest was killed before the end of its grace period.
        failure: why the engine was abandoned; empty otherwise.
    """

    def __init__(
        self,
        backend: Controlled,
        container: str,
        attachment: Attachment,
        signals: Signals,
        grace_seconds: float,
        keys: Terminal | None,
    ) -> None:
        self.heard = False
        self.reading = False
        self.cancelled = False
        self.ended = False
        self.forced = False
        self.failure = ""
        self._backend = backend
        self._container = container
        self._attachment = attachment
        self._signals = signals
        self._grace_seconds = grace_seconds
        self._keys = keys
        self._deadline: float | None = None
        self._started = False
        self._quiet = False  # the guest has ended, but not its streams
        self._thread = threading.Thread(target=self._serve, name="buildr-control", daemon=True)

    def __enter__(self) -> Self:
        """Begin to forward."""
        self._resize()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop forwarding after pending requests; immediately if the user insists."""
        self._signals.received.put(0)
        if not self._signals.forced:
            self._thread.join()

    def _serve(self) -> None:
        block_signals()
        while True:
            try:
                number = self._signals.received.get(timeout=self._patience())
            except Empty:
                number = None
            if number == 0:
                return
            try:
                self._on_silence() if number is None else self._on_signal(number)
            except BackendError as error:
                self.failure = error.what
            if self.failure:
                self._attachment.close()  # wakes the waiting output thread
                return

    def _patience(self) -> float:
        """Return the time to wait for a signal, in seconds."""
        patience = _STALLED_SECONDS if self._quiet else _SILENT_SECONDS
        if self._deadline is None:
            return patience
        return max(0.0, min(self._deadline - time.monotonic(), patience))

    def _on_silence(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._deadline = None
            self._kill()
            return
        heard, self.heard = self.heard, False
        if heard:
            self._quiet = False
            return
        self._backend.ping()
        if not self.reading:
            return  # the reader is gone, or the guest has ended
        # The engine answers, so the guest is quiet, or has ended without an end of its streams.
        state = self._backend.state(self._container)
        ended = state is None or state.exit_code is not None
        if ended and self._quiet and self.reading:
            self.failure = "the guest has ended, and its output has stalled"
        self._quiet = ended

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGWINCH:
            self._resize()
        elif number == signal.SIGTSTP:
            if self._signals.take_stop():
                self._suspend()
        elif number == END:
            if not self.cancelled:
                self.ended = True
                self._deadline = time.monotonic() + self._grace_seconds
                self._forward(signal.SIGTERM)
        elif number != signal.SIGINT:
            self._forward(number)
        elif self.cancelled:
            self.forced = True
            self._kill()
        else:
            self.cancelled = True
            self._deadline = time.monotonic() + self._grace_seconds
            self._forward(signal.SIGINT)

    def _forward(self, number: int) -> None:
        # The kernel drops signals for a first process without a handler (pid_namespaces(7)). Ours installs its handlers
        # before it starts the command; output shows that the command has started.
        until = time.monotonic() + _START_SECONDS
        self._started = self._started or self.heard
        while not self._started and time.monotonic() < until:
            self._started = self._has_started()
            if not self._started:
                time.sleep(_START_PAUSE_SECONDS)
        self._started = True
        self._backend.kill(self._container, number)

    def _has_started(self) -> bool:
        """Whether the guest's command has started, or everything has ended."""
        count = self._backend.processes(self._container)
        if count:
            return count > 1
        # An engine may not know a container yet that is just starting.
        state = self._backend.state(self._container)
        return state is None or state.exit_code is not None

    def _kill(self) -> None:
        self._backend.kill(self._container, signal.SIGKILL)

    def _suspend(self) -> None:
        if self._keys is None:
            os.kill(os.getpid(), signal.SIGSTOP)
        else:
            self._keys.suspend()
        self._resize()

    def _resize(self) -> None:
        if self._keys is not None and (size := terminal.size()) is not None:
            rows, columns = size
            self._backend.resize(self._container, rows=rows, columns=columns)
