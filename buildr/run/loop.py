"""The run loop: create, attach, start, stream, wait, remove.

Three threads share the work. The caller's thread moves output, so that a line costs one read and one write. A
second moves standard input. A third, the only one that speaks to the engine meanwhile, forwards signals, ends a
cancelled guest when its grace is over, and asks a silent engine whether it lives.

When the streams break, the status and the rest of the output come from the engine, where it still has both; a run whose
output is not complete never ends with 0. Nothing here waits for an engine that is gone for longer than half a minute.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from buildr.engines.ownership import signed
from buildr.engines.records import short_id
from buildr.errors import BackendError, EngineLostError, EngineUnavailableError
from buildr.host import console, terminal
from buildr.labels import RUN
from buildr.layout import APP
from buildr.run.control import Control
from buildr.run.log_followers import let_finish
from buildr.run.mounts import check_mounts
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

_BACK_SECONDS = 8.0  # for an engine that was lost to come back, as a restarted one does
_BACK_PAUSE_SECONDS = 0.2
_ENDING_SECONDS = 1.0  # for a guest whose streams broke to turn out to be ending


def run(
    backend: Containers,
    spec: ContainerSpec,
    signals: Signals,
    *,
    files: bytes = b"",
    input_: bytes | None = None,
    interrupt_to_guest: bool = False,
    on_start: Callable[[str], None] | None = None,
    on_end: Callable[[str, int], None] | None = None,
    on_kept: Callable[[str, int], None] | None = None,
    watchdog: Watchdog | None = None,
) -> int:
    """Run a container to its end, with this process's standard streams; leave nothing behind, unless asked to.

    Args:
        backend: the engine.
        spec: the container. ``spec.tty`` must say whether the streams are a terminal.
        signals: the handlers of this action.
        files: a tar archive to unpack into its ``/app`` before it starts.
        input_: its whole standard input; ``None``: this process's, if ``spec.stdin`` says that it takes any.
        interrupt_to_guest: whether Ctrl+C on a terminal is a key like any other.
        on_start: told the container's id once it runs.
        on_end: told the container's id and its exit status before it is removed.
        on_kept: a container that fails stays, and this is told its id and its exit status.
        watchdog: finishes what this process cannot, or may not take the time for.

    Returns:
        The guest's exit status, 128 + n when signal n killed it; 0 when the user cancelled it, or `Signals.request_end`
        ended it.

    Raises:
        ContainerError: it cannot be created or started.
        EngineLostError: the engine went away, and its end is not known, or its output not complete.
        KeyboardInterrupt: the user asked for the third time; the watchdog finishes.
        BrokenPipeError: nobody reads our output any more.
        BuildrError: our output cannot be written, since a disk is full, say.
    """
    signals.collect()
    container = create(backend, spec, watchdog)
    kept = False
    try:
        if files:
            backend.put_archive(container, APP, files)
        status = _run(
            backend,
            container,
            spec,
            signals,
            input_=input_,
            interrupt_to_guest=interrupt_to_guest,
            on_start=on_start,
            on_end=on_end,
        )
        kept = on_kept is not None and status != 0 and not signals.interrupts
        if not kept:
            let_finish(spec.labels.get(RUN, ""))
    finally:
        if not kept and not signals.forced:
            remove(backend, container, watchdog)
    if kept and on_kept is not None:
        on_kept(container, status)
    return status


def create(backend: Containers, spec: ContainerSpec, watchdog: Watchdog | None) -> str:
    """Create a container of ours, of which the watchdog knows from the moment when it may exist; return its id.

    Raises:
        BackendError: see `buildr.engines.containers.Containers.create`.
        ContainerError: a mount would show something else than this process sees.
    """
    spec = signed(spec)
    container = _create(backend, spec, watchdog)
    try:
        check_mounts(backend, container, spec)
    except BaseException:
        remove(backend, container, watchdog)
        raise
    return container


def _create(backend: Containers, spec: ContainerSpec, watchdog: Watchdog | None) -> str:
    if watchdog is None:
        return backend.create(spec)
    watchdog.asked()
    try:
        container = backend.create(spec)
    except BaseException as error:
        lost = isinstance(error, EngineLostError | EngineUnavailableError)
        if isinstance(error, BackendError) and not lost:
            watchdog.refused()
        else:
            watchdog.take_over()  # the engine may have created it, or still do
        raise
    watchdog.created()
    return container


def remove(backend: Containers, container: str, watchdog: Watchdog | None) -> None:
    """Remove the container; if the engine has gone, the watchdog or the next run does it (see `buildr.run.cleanup`)."""
    try:
        backend.remove(container, volumes=True)
    except BackendError as error:
        console.warn(f"the container {short_id(container)} is left behind: {error.what}")
        if watchdog is not None:
            watchdog.take_over()
    except BaseException:  # a signal, where they are not collected
        if watchdog is not None:
            watchdog.take_over()
        raise
    else:
        if watchdog is not None:
            watchdog.removed()


def _run(
    backend: Containers,
    container: str,
    spec: ContainerSpec,
    signals: Signals,
    *,
    input_: bytes | None,
    interrupt_to_guest: bool,
    on_start: Callable[[str], None] | None,
    on_end: Callable[[str, int], None] | None,
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
        if input_ is not None:
            stack.enter_context(Feed(attachment, input_))
        elif spec.stdin:
            stack.enter_context(StdinPump(attachment))
        if on_start is not None:
            on_start(container)
        status = _follow(backend, container, attachment, control, tty=spec.tty)
    if on_end is not None:
        on_end(container, status)
    return 0 if (control.cancelled or control.ended) and not control.forced else status


def _follow(
    backend: Containers, container: str, attachment: Attachment, control: Control, *, tty: bool
) -> int:
    """Move output until the guest has ended; return its status.

    Raises:
        EngineLostError: nobody knows the status, or it is 0 and output is missing.
        BrokenPipeError: nobody reads the output.
        BuildrError: it cannot be written.
    """
    moved = Moved()
    failure = ""
    try:
        move_output(attachment, control, moved)
    except EngineLostError as error:
        failure = error.what
    if failure := control.failure or failure:  # also where the streams were closed on our side
        return _after_loss(backend, container, failure, moved)
    try:
        status = backend.wait(container)
    except (EngineLostError, EngineUnavailableError) as error:
        status = _after_loss(backend, container, error.what, None)
    if not tty:  # which has no frames, and whose log is what it showed
        complete_if_cut(backend, container, moved)
    return status


def _after_loss(backend: Containers, container: str, why: str, moved: Moved | None) -> int:
    """Return the status of a guest whose streams broke, where the engine still knows it; complete its output.

    Args:
        backend: the engine.
        container: the guest's.
        why: what broke.
        moved: what has been written; ``None``: all there is, as far as the streams tell.

    Raises:
        EngineLostError: nobody knows the status, or it is 0 and output is missing.
    """
    state = _state_after_loss(backend, container, why)
    if state is None or state.exit_code is None:
        raise EngineLostError(
            f"the container's streams were lost: {why}",
            hint="The container was stopped, since nobody could follow it any more.",
        )
    if moved is None or complete(backend, container, moved):
        return state.exit_code
    missing = f"the end of the container's output was lost: {why}"
    if state.exit_code == 0:
        raise EngineLostError(missing, hint="The script itself ended with status 0.")
    console.warn(missing)
    return state.exit_code


def _state_after_loss(backend: Containers, container: str, why: str) -> ContainerState | None:
    """Ask for a container's state until the engine is back, and until an ending container has ended.

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
                    hint="Its end is not known. `buildr doctor` tells whether the engine is back.",
                ) from None
        else:
            if state is None or state.exit_code is not None or time.monotonic() >= ending:
                return state
        time.sleep(_BACK_PAUSE_SECONDS)
