"""The run loop: create, attach, start, stream, wait, remove.

Three threads share the work. The caller's thread copies output, so that a line costs one read and one write. A second
thread copies standard input. A third one, the only one that talks to the engine meanwhile, forwards signals, kills a
cancelled guest after its grace period, and checks that a silent engine is alive.

If the streams break, the status and the rest of the output come from the engine, if it still has both. A run with
incomplete output never ends with 0. Nothing here waits longer than half a minute for a lost engine.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.errors import BackendError, EngineLostError, EngineUnavailableError
from buildr.host import console, terminal
from buildr.labels import RUN
from buildr.layout import APP
from buildr.run.control import Control
from buildr.run.lifecycle import create, remove_or_leave
from buildr.run.log_followers import let_finish
from buildr.run.output import Moved, complete, complete_if_cut, move_output
from buildr.run.stdin import Feed, StdinPump

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.containers import Containers
    from buildr.engines.records import ContainerState
    from buildr.engines.streams import Attachment
    from buildr.host.signals import Signals
    from buildr.run.watchdog import Watchdog

_BACK_SECONDS = 8.0  # for a lost engine to come back, for example after a restart
_BACK_PAUSE_SECONDS = 0.2
_ENDING_SECONDS = 1.0  # for a guest with broken streams to end


class RunRequest(Struct, frozen=True, kw_only=True):
    """The settings and callbacks of a run."""

    files: bytes = b""
    """A tar archive to unpack into its ``/app`` before it starts."""
    input: bytes | None = None
    """Its whole standard input; ``None``: that of this process, if ``spec.stdin`` is set."""
    interrupt_to_guest: bool = False
    """Whether Ctrl+C on a terminal is passed to the guest as a key."""
    on_start: Callable[[str], None] | None = None
    """Called with the container's id after its start."""
    on_end: Callable[[str, int], None] | None = None
    """Called with the container's id and its exit status before it is removed."""
    on_kept: Callable[[str, int], None] | None = None
    """If given, a failed container is kept, and this is called with its id and its exit status."""


def run(
    backend: Containers,
    spec: ContainerSpec,
    signals: Signals,
    request: RunRequest | None = None,
    *,
    watchdog: Watchdog | None = None,
) -> int:
    """Run a container to its end, with this process's standard streams; leave nothing behind by default.

    Args:
        backend: the engine.
        spec: the container. ``spec.tty`` must say whether the streams are a terminal.
        signals: the handlers of this action.
        request: settings and callbacks.
        watchdog: finishes what this process cannot, or has no time for.

    Returns:
        The guest's exit status, 128 + n when signal n killed it; `Signals.cancelled_status` when it was cancelled; 0
        when `Signals.request_end` ended it.

    Raises:
        ContainerError: it cannot be created or started.
        EngineLostError: the engine went away, and its end is not known, or its output not complete.
        KeyboardInterrupt: the user asked for the third time; the watchdog finishes.
        BrokenPipeError: the reader of our output has gone.
        BuildrError: our output cannot be written, since a disk is full, say.
    """
    request = request or RunRequest()
    on_kept = request.on_kept
    signals.collect()
    container = create(backend, spec, watchdog)
    kept = False
    try:
        if request.files:
            backend.put_archive(container, APP, request.files)
        status = _run(backend, container, spec, signals, request)
        kept = on_kept is not None and status != 0 and not signals.interrupts
        if not kept:
            let_finish(spec.labels.get(RUN, ""))
    finally:
        if not kept:
            remove_or_leave(backend, container, signals, watchdog)
    if kept and on_kept is not None:
        on_kept(container, status)
    return status


def _run(
    backend: Containers,
    container: str,
    spec: ContainerSpec,
    signals: Signals,
    request: RunRequest,
) -> int:
    attachment = backend.attach(container, tty=spec.tty)
    with contextlib.ExitStack() as stack:
        stack.callback(attachment.close)
        keys = None
        if spec.tty:
            passing = terminal.passing_keys(interrupt_to_guest=request.interrupt_to_guest)
            keys = stack.enter_context(passing)
        if signals.interrupts:
            return signals.cancelled_status
        backend.start(container)
        control = Control(backend, container, attachment, signals, spec.grace_seconds, keys)
        stack.enter_context(control)
        if request.input is not None:
            stack.enter_context(Feed(attachment, request.input))
        elif spec.stdin:
            stack.enter_context(StdinPump(attachment))
        if request.on_start is not None:
            request.on_start(container)
        status = _follow(backend, container, attachment, control, tty=spec.tty)
    if request.on_end is not None:
        request.on_end(container, status)
    if control.forced or not (control.cancelled or control.ended):
        return status
    return signals.cancelled_status if control.cancelled else 0


def _follow(
    backend: Containers, container: str, attachment: Attachment, control: Control, *, tty: bool
) -> int:
    """Copy output until the guest has ended; return its status.

    Raises:
        EngineLostError: the status is unknown, or it is 0 and output is missing.
        BrokenPipeError: the reader of the output is gone.
        BuildrError: the output cannot be written.
    """
    moved = Moved()
    failure = ""
    try:
        move_output(attachment, control, moved)
    except EngineLostError as error:
        failure = error.what
    if failure := control.failure or failure:  # also if we closed the streams
        return _after_loss(backend, container, failure, moved)
    try:
        status = backend.wait(container)
    except (EngineLostError, EngineUnavailableError) as error:
        status = _after_loss(backend, container, error.what, None)
    if not tty:  # a terminal has no frames, and its log is what it showed
        complete_if_cut(backend, container, moved)
    return status


def _after_loss(backend: Containers, container: str, why: str, moved: Moved | None) -> int:
    """Return the status of a guest with broken streams, if the engine still has it; complete its output.

    Args:
        backend: the engine.
        container: the guest's container.
        why: what broke.
        moved: the written output; ``None``: the streams say that it is complete.

    Raises:
        EngineLostError: the status is unknown, or it is 0 and output is missing.
    """
    state = _state_after_loss(backend, container, why)
    if state is None or state.exit_code is None:
        raise EngineLostError(
            f"the container's streams were lost: {why}",
            hint="The container was stopped, since it could no longer be followed.",
        )
    if moved is None or complete(backend, container, moved):
        return state.exit_code
    missing = f"the end of the container's output was lost: {why}"
    if state.exit_code == 0:
        raise EngineLostError(missing, hint="The script itself ended with status 0.")
    console.warn(missing)
    return state.exit_code


def _state_after_loss(backend: Containers, container: str, why: str) -> ContainerState | None:
    """Request a container's state until the engine is back and an ending container has ended.

    Raises:
        EngineLostError: the engine does not come back.
    """
    until = time.monotonic() + _BACK_SECONDS
    ending = time.monotonic() + _ENDING_SECONDS
    while True:
        try:
            state = backend.state(container)
        except BackendError:
            if time.monotonic() >= until:
                raise EngineLostError(
                    f"the engine was lost while the container ran: {why}",
                    hint="Its end is not known. `buildr doctor` says whether the engine is back.",
                ) from None
        else:
            if state is None or state.exit_code is not None or time.monotonic() >= ending:
                return state
        time.sleep(_BACK_PAUSE_SECONDS)
