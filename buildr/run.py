"""The run loop: create, attach, start, stream, wait, remove.

Three threads share the work. The caller's thread moves output, so that a line costs one read and one write. A
second moves standard input. A third, the only one that speaks to the engine meanwhile, forwards signals, ends a
cancelled guest when its grace is over, and asks a silent engine whether it lives.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from queue import Empty
from typing import TYPE_CHECKING, Self

from buildr import console, terminal
from buildr.backend import STDOUT
from buildr.containerfile import APP
from buildr.errors import BackendError, BuildrError, EngineLostError
from buildr.signals import Signals, block_signals
from buildr.stdin import StdinPump

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.backend import Attachment, Backend, ContainerSpec
    from buildr.terminal import Terminal

_SILENT_SECONDS = 10.0  # without output, before the engine is asked whether it lives
_START_SECONDS = 5.0  # for the first process of a guest to be ready for signals; it takes 0.02
_START_PAUSE_SECONDS = 0.01  # between two looks whether it is
_OUTPUT_FD = {STDOUT: 1}  # everything else is standard error


def run(
    backend: Backend,
    spec: ContainerSpec,
    signals: Signals,
    *,
    files: bytes = b"",
    interrupt_to_guest: bool = False,
    on_start: Callable[[str], None] | None = None,
) -> int:
    """Run a container to its end, with this process's standard streams; leave nothing behind.

    Args:
        backend: the engine.
        spec: the container. ``spec.tty`` must say whether the streams are a terminal.
        signals: the handlers of this action.
        files: a tar archive to unpack into its ``/app`` before it starts.
        interrupt_to_guest: whether Ctrl+C on a terminal is a key like any other.
        on_start: told the container's id once it runs.

    Returns:
        The guest's exit status, 128 + n when signal n killed it; 0 when the user cancelled it.

    Raises:
        ContainerError: it cannot be created or started.
        EngineLostError: the engine went away, and its end is not known.
        BrokenPipeError: nobody reads our output any more.
        BuildrError: our output cannot be written, since a disk is full, say.
    """
    signals.collect()
    container = backend.create(spec)
    try:
        if files:
            backend.put_archive(container, APP, files)
        return _run(
            backend,
            container,
            spec,
            signals,
            interrupt_to_guest=interrupt_to_guest,
            on_start=on_start,
        )
    finally:
        _remove(backend, container)


def _remove(backend: Backend, container: str) -> None:
    """Remove the container; if the engine has gone, the next run does it (see `buildr.cleanup`)."""
    try:
        backend.remove(container)
    except BackendError as error:
        console.warn(f"the container {container[:12]} is left behind: {error.what}")


def _run(
    backend: Backend,
    container: str,
    spec: ContainerSpec,
    signals: Signals,
    *,
    interrupt_to_guest: bool,
    on_start: Callable[[str], None] | None,
) -> int:
    attachment = backend.attach(container, tty=spec.tty)
    with contextlib.ExitStack() as stack:
        stack.callback(attachment.close)
        keys = None
        if spec.tty:
            keys = stack.enter_context(terminal.passing_keys(interrupt_to_guest=interrupt_to_guest))
        if signals.interrupts:
            return 0
        backend.start(container)
        control = Control(backend, container, attachment, signals, spec.grace_seconds, keys)
        stack.enter_context(control)
        stack.enter_context(StdinPump(attachment))
        if on_start is not None:
            on_start(container)
        try:
            _move_output(attachment, control)
        except EngineLostError as error:
            return _after_loss(backend, container, control.failure or error.what)
        if control.failure:  # the streams were closed on our side
            return _after_loss(backend, container, control.failure)
        status = backend.wait(container)
    return 0 if control.cancelled and not control.forced else status


def _move_output(attachment: Attachment, control: Control) -> None:
    """Write what comes, until the end of the streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(
            OSError, ValueError, AttributeError
        ):  # closed, or replaced by something else
            stream.flush()
    while pieces := attachment.read():
        control.heard = True
        for stream_number, data in pieces:
            write(_OUTPUT_FD.get(stream_number, 2), data)


def write(fd: int, data: memoryview) -> None:
    """Write all of it, however slowly it is taken.

    Raises:
        BrokenPipeError: nobody reads any more.
        BuildrError: it cannot be written.
    """
    while data:
        try:
            written = os.write(fd, data)
        except (
            BlockingIOError
        ):  # somebody made the descriptor non-blocking: wait until it takes more
            import select

            select.select((), (fd,), ())
            continue
        except BrokenPipeError:
            raise
        except OSError as error:
            stream = "output" if fd == 1 else "error"
            raise BuildrError(
                f"standard {stream} cannot be written: {error.strerror}",
                hint="The container was stopped, since what it wrote would have been lost.",
            ) from None
        data = data[written:]


def _after_loss(backend: Backend, container: str, why: str) -> int:
    """Return the status of a guest whose streams broke, where the engine still knows it.

    Raises:
        EngineLostError: nobody knows it.
    """
    try:
        state = backend.state(container)
    except BackendError:
        raise EngineLostError(
            f"the engine was lost while the container ran: {why}",
            hint="Its end is not known. `buildr doctor` tells whether the engine is back.",
        ) from None
    if state is None or state.exit_code is None:
        raise EngineLostError(
            f"the container's streams were lost: {why}",
            hint="The container was stopped, since nobody could follow it any more.",
        )
    return state.exit_code


class Control:
    """The thread that speaks to the engine while a guest runs; a context manager.

    Attributes:
        heard: set by whoever moves output, whenever there is some.
        cancelled: whether the user asked for the end.
        forced: whether the user then asked once more, and the guest was killed before its grace was over.
        failure: why the engine was given up; empty otherwise.
    """

    def __init__(
        self,
        backend: Backend,
        container: str,
        attachment: Attachment,
        signals: Signals,
        grace_seconds: float,
        keys: Terminal | None,
    ) -> None:
        self.heard = False
        self.cancelled = False
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
        self._thread = threading.Thread(target=self._serve, name="buildr-control", daemon=True)

    def __enter__(self) -> Self:
        """Begin to forward."""
        self._resize()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop forwarding, when what is under way is done."""
        self._signals.received.put(0)
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
                self._attachment.close()  # wakes the thread that waits for output
                return

    def _patience(self) -> float:
        """Return how long to wait for a signal, in seconds."""
        if self._deadline is None:
            return _SILENT_SECONDS
        return max(0.0, min(self._deadline - time.monotonic(), _SILENT_SECONDS))

    def _on_silence(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._deadline = None
            self._kill()
            return
        heard, self.heard = self.heard, False
        if not heard:
            self._backend.ping()

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGWINCH:
            self._resize()
        elif number == signal.SIGTSTP:
            self._suspend()
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
        # The kernel drops what is sent to a first process that does not expect it yet (pid_namespaces(7)). Ours starts
        # the command when it does; and a command that has been heard has been started.
        until = time.monotonic() + _START_SECONDS
        self._started = self._started or self.heard
        while not self._started and time.monotonic() < until:
            self._started = self._backend.processes(self._container) != 1
            if not self._started:
                time.sleep(_START_PAUSE_SECONDS)
        self._started = True
        self._backend.kill(self._container, number)

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
