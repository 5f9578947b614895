"""Containers that outlive their host processes: ``detach``, ``buildr run --detach``.

A label marks it from the start, since labels cannot be added later; a container is detached once it has started. Until
then it belongs to its host process, and the watchdog removes it if that dies. From then on it belongs to no process,
even after the end of its guest, until the user removes it (`buildr.run.cleanup.is_detached`).
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr import labels
from buildr.engines.records import short_id
from buildr.errors import Message, OptionError, OptionName
from buildr.layout import APP
from buildr.run.lifecycle import create, remove_or_leave
from buildr.run.output import write

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.containers import Containers
    from buildr.host.signals import Signals
    from buildr.options import Runtime
    from buildr.run.watchdog import Watchdog


def to_be_detached(spec: ContainerSpec, restart: str = "no") -> ContainerSpec:
    """Return a container that needs no host process: its standard input is ``/dev/null``.

    Args:
        spec: the container.
        restart: its restart policy.
    """
    own = {**spec.labels, labels.DETACH: labels.SET}
    if restart != "no":
        own[labels.RESTART] = restart
    return replace(spec, stdin=False, restart=restart, labels=own)


def refuse_followed(runtime: Runtime) -> None:
    """Refuse options for detached containers in a followed run.

    Raises:
        OptionError: there is such an option and the run is not detached.
    """
    if runtime.detach:
        return
    if runtime.restart != "no":
        raise OptionError(
            Message(
                OptionName("runtime.restart"),
                f"={runtime.restart!r} needs ",
                OptionName("runtime.detach"),
                ": a run in the foreground ends with its script, and with its status",
            ),
            hint=_either("runtime.restart"),
        )
    if runtime.wait_for:
        raise OptionError(
            Message(
                OptionName("runtime.wait_for"),
                f"={str(runtime.wait_for[0])!r} needs ",
                OptionName("runtime.detach"),
                ": a run in the foreground waits for its script's end",
            ),
            hint=_either("runtime.wait_for"),
        )


def _either(option: str) -> Message:
    return Message(
        "Add ",
        OptionName("runtime.detach"),
        " (buildr run --detach), or leave ",
        OptionName(option),
        " out.",
    )


def start(
    backend: Containers,
    spec: ContainerSpec,
    signals: Signals,
    *,
    files: bytes = b"",
    on_start: Callable[[str], None],
    watchdog: Watchdog,
) -> None:
    """Start a container and print the id of its run; after a failure nothing is left.

    Args:
        backend: the engine.
        spec: the container, from `to_be_detached`.
        signals: the handlers of this action. A signal that ends the action before the id is printed ends the run, too.
        files: a tar archive to unpack into its ``/app`` before it starts.
        on_start: called with the container's id after its start; an exception ends the run.
        watchdog: finishes what this process cannot.

    Raises:
        ContainerError: it cannot be created or started.
        EngineLostError: the engine went away; the watchdog removes what may have come of it.
        KeyboardInterrupt: the user cancelled it.
        Terminated: another signal did.
        BrokenPipeError: the reader of the id has gone.
        BuildrError: the id cannot be written, since a disk is full, say.
    """
    signals.collect()
    container = create(backend, spec, watchdog)
    done = False
    try:
        if files:
            backend.put_archive(container, APP, files)
        if not signals.asked_to_end:
            backend.start(container)
            on_start(container)
        if not signals.asked_to_end:
            _print(spec.labels[labels.RUN])
            done = True
    finally:
        if not done:
            remove_or_leave(backend, container, signals, watchdog)
    if not done:
        signals.release()


def _print(line: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or replaced
        sys.stdout.flush()
    write(1, memoryview(f"{line}\n".encode()))


def ways_on(spec: ContainerSpec) -> str:
    """Return the message about a detached run."""
    name = spec.labels.get(labels.NAME) or "the script"
    run = short_id(spec.labels[labels.RUN])
    return f"{name} runs detached: `buildr logs -f {run}` follows it, `buildr stop {run}` ends and removes it"
