"""Waits until a detached container is ready: ``wait_for``."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING

from buildr.errors import BackendError, ContainerError, Message, OptionError, OptionName
from buildr.run.conditions import LONGEST_LINE, NeverError, check_of, unreachable

if TYPE_CHECKING:
    from buildr.engines.containers import Containers
    from buildr.engines.engine import Engine
    from buildr.host.signals import Signals
    from buildr.options import Runtime
    from buildr.options.wait_for import Condition

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.5
_TAIL = 10  # the number of output lines that an error shows


def refuse_unreachable(backend: Engine, runtime: Runtime) -> None:
    """Refuse to wait for ports of a remote engine, which are published there.

    Raises:
        OptionError: the options wait for a port.
    """
    elsewhere = backend.info.remote and not backend.info.forwards_ports
    if elsewhere and any(condition.port for condition in runtime.wait_for):
        raise OptionError(
            Message(
                OptionName("runtime.wait_for"),
                f" cannot check ports of {backend.info.endpoint}: that engine is on another machine",
            ),
            hint='accepted: "log:REGEX" and "healthy"',
        )


def wait_until_ready(
    backend: Containers, container: str, runtime: Runtime, signals: Signals
) -> None:
    """Wait until all conditions are met, one after another, or until a signal requests the end.

    Args:
        backend: the engine.
        container: the id of a container that has just been started.
        runtime: the options with the conditions.
        signals: collected signals, which are left for the caller.

    Raises:
        ContainerError: the guest has ended or is unhealthy, or the time is over.
        EngineLostError: the engine went away.
    """
    deadline = time.monotonic() + runtime.wait_seconds
    for condition in runtime.wait_for:
        if not _wait(backend, container, runtime, condition, deadline, signals):
            return


def _wait(
    backend: Containers,
    container: str,
    runtime: Runtime,
    condition: Condition,
    deadline: float,
    signals: Signals,
) -> bool:
    def enough() -> bool:
        return signals.asked_to_end or time.monotonic() >= deadline

    check = check_of(backend, container, condition, runtime.healthcheck, enough)
    pause = _FIRST_PAUSE_SECONDS
    while True:
        if signals.asked_to_end:
            return False
        began = time.monotonic()
        state = backend.state(container)
        if state is None:
            raise ContainerError("the container was removed before it was ready")
        goes_on = state.running or runtime.restart != "no"
        try:
            if check(goes_on):
                return True
        except NeverError as error:
            raise _failed(backend, container, str(error), condition) from None
        if not goes_on:
            what = f"the script ended with status {state.exit_code} before it was ready: {_missing(condition)}"
            raise _failed(backend, container, what, condition)
        if time.monotonic() >= deadline:
            what = f"the container was not ready within {runtime.wait_seconds:g} s: {_missing(condition)}"
            raise _failed(backend, container, what, condition)
        # A slow check, such as of a long log, must not keep a processor busy.
        took = time.monotonic() - began
        time.sleep(min(max(pause, took), max(0.0, deadline - time.monotonic())))
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


def _missing(condition: Condition) -> str:
    if condition.kind == "port":
        return f"nothing listens on port {condition.port}"
    if condition.kind == "http":
        return (
            f"port {condition.port} does not answer {condition.path} with a status from 200 to 399"
        )
    if condition.kind == "log":
        return f"no line of its output has {condition.pattern!r}"
    return "its health check has not succeeded"


def _failed(backend: Containers, container: str, what: str, condition: Condition) -> ContainerError:
    """Return the error for a container that did not become ready: the reason, its last output, and advice."""
    lines: deque[str] = deque(maxlen=_TAIL)
    with (
        contextlib.suppress(BackendError),
        contextlib.closing(backend.logs(container, tail=_TAIL)) as logs,
    ):
        text = ""
        while pieces := logs.read():
            text += b"".join(bytes(data) for _, data in pieces).decode(errors="replace")
            text = text[-LONGEST_LINE:]
        lines.extend(text.splitlines())
    shown = [line if line.isprintable() else ascii(line)[1:-1] for line in lines]
    hint = ["Its last lines:", *(f"  {line}" for line in shown)] if shown else ["It wrote nothing."]
    if condition.port and unreachable(backend, container, condition.port) == "loopback":
        hint.append(
            f"It listens on port {condition.port} of 127.0.0.1, which is the container's own: let it listen on 0.0.0.0."
        )
    hint.append("The container has been removed. More time: wait_seconds (--wait-seconds).")
    return ContainerError(what, hint="\n".join(hint))
