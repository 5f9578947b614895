"""Waiting until a detached container is ready: ``wait_for``.

Ports are looked at from this host, as the user's next command does. An engine's proxy may accept a connection there before
anything listens in the container, and close it only when it has tried; so a connection that was accepted counts only if
the guest's own table of sockets has a listener.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from buildr.engines.container_spec import HealthSpec
from buildr.engines.records import CommandSpec
from buildr.engines.streams import STDERR
from buildr.errors import BackendError, ContainerError, EngineLostError, OptionError
from buildr.layout import INIT
from buildr.options.ports import LOOPBACK

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.containers import Containers
    from buildr.engines.engine import Engine
    from buildr.host.signals import Signals
    from buildr.options import Runtime
    from buildr.options.wait_for import Condition

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.5
_ANSWER_SECONDS = 5.0  # one try over a connection
_TAIL = 10  # lines of the guest's that an error shows
_LONGEST_LINE = 1 << 16  # characters kept of one that does not end

_ON_LOOPBACK, _NOWHERE = 2, 3
_LISTENERS = f"""\
import sys
sys.path.insert(0, sys.argv[1])
import init
outside, loopback = init.listening()
port = int(sys.argv[2])
sys.exit(0 if port in outside else {_ON_LOOPBACK} if port in loopback else {_NOWHERE})
"""
"""Run in the container, by what its first process has (`buildr.guest.init`); its status says where something listens on the port."""

Check: TypeAlias = Callable[[bool], bool]
"""Looks whether a condition has come true; it is told whether the guest goes on."""


def refuse_unreachable(backend: Engine, runtime: Runtime) -> None:
    """Refuse to wait for ports of an engine on another machine: they are published there.

    Raises:
        OptionError: one is to be waited for.
    """
    if backend.info.remote and any(condition.port for condition in runtime.wait_for):
        raise OptionError(
            f"runtime.wait_for cannot look at ports of {backend.info.endpoint}: that engine is on another machine",
            hint='accepted: "log:REGEX" and "healthy"',
        )


def wait_until_ready(
    backend: Containers, container: str, spec: ContainerSpec, runtime: Runtime, signals: Signals
) -> None:
    """Wait until all conditions have come true, one after the other; or a signal asks for the end.

    Args:
        backend: the engine.
        container: has just been started.
        spec: of it.
        runtime: with the conditions.
        signals: collected; what has come is left for the caller.

    Raises:
        ContainerError: the guest has ended, is unhealthy, or the time is over.
        EngineLostError: the engine went away.
    """
    deadline = time.monotonic() + runtime.wait_seconds
    for condition in runtime.wait_for:
        check = _check(backend, container, spec, condition)
        if not _wait(backend, container, runtime, condition, check, deadline, signals):
            return


def _wait(
    backend: Containers,
    container: str,
    runtime: Runtime,
    condition: Condition,
    check: Check,
    deadline: float,
    signals: Signals,
) -> bool:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        if signals.asked_to_end:
            return False
        began = time.monotonic()
        state = backend.state(container)
        if state is None:
            raise ContainerError("somebody removed the container before it was ready")
        goes_on = state.running or runtime.restart != "no"
        try:
            if check(goes_on):
                return True
        except _NeverError as error:
            raise _failed(backend, container, f"the container {error}", condition) from None
        if not goes_on:
            what = f"the script ended with status {state.exit_code} before it was ready: {_missing(condition)}"
            raise _failed(backend, container, what, condition)
        if time.monotonic() >= deadline:
            what = f"the container was not ready within {runtime.wait_seconds:g} s: {_missing(condition)}"
            raise _failed(backend, container, what, condition)
        # A look that takes long, as at a long log, shall not take all of a processor.
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


class _NeverError(Exception):
    """A condition will not come true any more."""


def _check(backend: Containers, container: str, spec: ContainerSpec, condition: Condition) -> Check:
    if condition.kind == "log":
        return _wrote(backend, container, condition.pattern)
    if condition.kind == "healthy":
        return _healthy(backend, container, spec.health)
    place = _place(backend, container, condition.port)
    if condition.kind == "http":
        return lambda _: _answers(place, condition.path)
    return lambda _: _accepts(place) and not _closed(backend, container, condition.port)


# Ports --------------------------------------------------------------------------------------------


def _place(backend: Containers, container: str, port: int) -> tuple[str, int]:
    """Return where a port of the guest's is published."""
    state = backend.state(container)
    for binding in state.ports if state else ():
        if binding.container == port and binding.protocol == "tcp":
            everywhere = binding.host_ip in ("", "0.0.0.0", "::")  # noqa: S104 - what it is published on
            return (LOOPBACK if everywhere else binding.host_ip), binding.host
    return LOOPBACK, 0  # it has ended already, as is told when it is waited for


def _accepts(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, _ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


def _closed(backend: Containers, container: str, port: int) -> int:
    """Ask the guest's kernel about a port; where it cannot be asked, as in an image without Python, nothing speaks against it."""
    spec = CommandSpec(
        command=("python3", "-ISc", _LISTENERS, os.path.dirname(INIT), str(port)), stdin=False
    )
    try:
        with contextlib.closing(backend.execute(container, spec)) as execution:
            while execution.read():
                pass
            status = execution.status()
    except EngineLostError:
        raise
    except BackendError:
        return 0
    return status if status in (_ON_LOOPBACK, _NOWHERE) else 0


def _answers(place: tuple[str, int], path: str) -> bool:
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection(*place, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path, headers={"User-Agent": "buildr", "Connection": "close"})
        return 200 <= connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


# Health -------------------------------------------------------------------------------------------


def _healthy(backend: Containers, container: str, health: HealthSpec | None) -> Check:
    interval = (health or HealthSpec(test=())).interval
    next_look = 0.0

    def check(_: bool) -> bool:
        nonlocal next_look
        # Where looking runs the check, it is to be done no more often than was asked for.
        if (now := time.monotonic()) < next_look:
            return False
        next_look = now + (interval if backend.info.health_on_request else 0)
        found = backend.health(container)
        if found == "unhealthy":
            raise _NeverError("is unhealthy")
        if not found:
            raise _NeverError("has no health check that could be waited for")
        return found == "healthy"

    return check


# Output -------------------------------------------------------------------------------------------


def _wrote(backend: Containers, container: str, pattern: str) -> Check:
    """Read what there is each time, since an engine answers a request to follow a log only when there is something in it."""
    matches = re.compile(pattern).search

    def check(goes_on: bool) -> bool:
        begun = {False: "", True: ""}
        with contextlib.closing(backend.logs(container)) as logs:
            while pieces := logs.read():
                for stream, data in pieces:
                    error = stream == STDERR
                    *lines, rest = (begun[error] + bytes(data).decode(errors="replace")).split("\n")
                    begun[error] = rest[-_LONGEST_LINE:]
                    if any(map(matches, lines)):
                        return True
        # The last line of a guest that has ended may lack its end.
        return not goes_on and any(map(matches, begun.values()))

    return check


def _failed(backend: Containers, container: str, what: str, condition: Condition) -> ContainerError:
    """Say that the container did not get ready, what it wrote last, and what to do."""
    lines: deque[str] = deque(maxlen=_TAIL)
    with (
        contextlib.suppress(BackendError),
        contextlib.closing(backend.logs(container, tail=_TAIL)) as logs,
    ):
        text = ""
        while pieces := logs.read():
            text += b"".join(bytes(data) for _, data in pieces).decode(errors="replace")
            text = text[-_LONGEST_LINE:]
        lines.extend(text.splitlines())
    shown = [line if line.isprintable() else ascii(line)[1:-1] for line in lines]
    hint = ["Its last lines:", *(f"  {line}" for line in shown)] if shown else ["It wrote nothing."]
    if condition.port and _closed(backend, container, condition.port) == _ON_LOOPBACK:
        hint.append(
            f"It listens on port {condition.port} of 127.0.0.1, which is the container's own: let it listen on 0.0.0.0."
        )
    hint.append("The container has been removed. More time: wait_seconds (--wait-seconds).")
    return ContainerError(what, hint="\n".join(hint))
