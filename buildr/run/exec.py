"""Runs a command in the container of a run, with this process's standard streams, for `buildr exec`."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING

from buildr.engines.records import ContainerState
from buildr.errors import BackendError, BuildrError, EngineLostError
from buildr.host import console, terminal
from buildr.run.control import Control
from buildr.run.output import Moved, move_output
from buildr.run.stdin import StdinPump

if TYPE_CHECKING:
    from buildr.engines.containers import Containers
    from buildr.engines.records import CommandSpec
    from buildr.engines.streams import Execution
    from buildr.host.signals import Signals
    from buildr.run.runs import Run

_PAUSE_SECONDS = 0.01  # between two checks for the end of a command whose streams have ended
_KILLED = 128 + signal.SIGKILL


def execute(run: Run, spec: CommandSpec, signals: Signals) -> int:
    """Run a command in a run's container to its end.

    Args:
        run: the run.
        spec: the command. ``spec.tty`` must say whether the streams are a terminal.
        signals: the handlers of this action.

    Returns:
        The command's exit status, 128 + n if signal n killed it.

    Raises:
        BuildrError: the run has ended.
        ContainerError: the command cannot be started.
        EngineLostError: the engine went away.
    """
    if not run.container.running:
        raise BuildrError(
            f"the run {run.short_id} does not run: {run.container.status}",
            hint="A command needs a running container. `buildr ps` lists them.",
        )
    backend, container = run.backend, run.container.id
    signals.collect()
    with contextlib.ExitStack() as stack:
        keys = None
        if spec.tty:
            keys = stack.enter_context(terminal.passing_keys(interrupt_to_guest=True))
        execution = backend.execute(container, spec)
        stack.callback(execution.close)
        command = _Command(backend, execution)
        control = Control(command, container, execution, signals, run.grace_seconds, keys)
        stack.enter_context(control)
        if spec.stdin:
            stack.enter_context(StdinPump(execution))
        try:
            move_output(execution, control, Moved())
        except EngineLostError as error:
            raise EngineLostError(
                f"the command's streams were lost: {control.failure or error.what}",
                hint="It may still run: it ends with the run.",
            ) from None
        except BaseException:  # the reader is gone, or the user has interrupted
            with contextlib.suppress(BackendError):
                execution.kill(signal.SIGKILL)
            raise
        return _status(backend, container, execution)


def _status(backend: Containers, container: str, execution: Execution) -> int:
    """Wait for a command whose streams have ended; return its status."""
    while True:
        try:
            status = execution.status()
        except BackendError:
            status = None
        if status is not None:
            return status
        state = backend.state(container)
        if state is None or state.exit_code is not None:
            console.warn("the run has ended, and the command with it")
            return _KILLED
        time.sleep(_PAUSE_SECONDS)


class _Command:
    """A command as `buildr.run.control.Control` sees a container."""

    def __init__(self, backend: Containers, execution: Execution) -> None:
        self._backend = backend
        self._execution = execution

    def ping(self) -> None:
        self._backend.ping()

    def state(self, container: str) -> ContainerState | None:
        state = self._backend.state(container)
        if state is None or state.exit_code is not None:
            return state
        status = self._execution.status()
        return ContainerState(
            id=container,
            status="running" if status is None else "exited",
            running=status is None,
            exit_code=status,
        )

    def processes(self, container: str) -> int:  # noqa: ARG002 - as a backend's
        return 2  # it has no first process of ours that would have to get ready

    def kill(self, container: str, signal: int) -> None:  # noqa: ARG002 - as a backend's
        self._execution.kill(signal)

    def resize(self, container: str, *, rows: int, columns: int) -> None:  # noqa: ARG002 - as a backend's
        self._execution.resize(rows=rows, columns=columns)
