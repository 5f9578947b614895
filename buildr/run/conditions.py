"""The conditions of ``wait_for``: a port listens, a URL answers, a line is written, a health check succeeds.

Ports are checked from this host, like the user's next command. An engine's proxy may accept a connection before
anything listens in the container, so an accepted connection counts only if the guest's socket table has a listener.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from buildr.engines.container_spec import HealthCheck
from buildr.engines.records import CommandSpec
from buildr.engines.streams import STDERR
from buildr.errors import BackendError, EngineLostError
from buildr.layout import INIT
from buildr.options.ports import LOOPBACK
from buildr.run.line_search import SearchError, any_matches

if TYPE_CHECKING:
    from buildr.engines.containers import Containers
    from buildr.options.wait_for import Condition

LONGEST_LINE = 1 << 16
"""The number of characters to keep of an incomplete line."""
_ANSWER_SECONDS = 5.0  # for one connection attempt
_ON_LOOPBACK, _NOWHERE = 2, 3
_LISTENERS = f"""\
import sys
sys.path.insert(0, sys.argv[1])
import ports
outside, loopback = ports.listening()
port = int(sys.argv[2])
sys.exit(0 if port in outside else {_ON_LOOPBACK} if port in loopback else {_NOWHERE})
"""
"""A program that runs in the container, with `buildr.guest.ports`; its status says where something listens on the
port.
"""

Check: TypeAlias = Callable[[bool], bool]
"""Checks whether a condition is met; its argument says whether the guest is still running."""


class NeverError(Exception):
    """A condition can no longer be met; the message says why."""


def check_of(
    backend: Containers,
    container: str,
    condition: Condition,
    health: HealthCheck | None,
    enough: Callable[[], bool],
) -> Check:
    """Return the check of a condition.

    Args:
        backend: the engine.
        container: the id of a container that has just been started.
        condition: the condition.
        health: the container's health check, if the options name one.
        enough: returns whether a long check has to stop.
    """
    if condition.kind == "log":
        return _wrote(backend, container, condition.pattern, enough)
    if condition.kind == "healthy":
        return _healthy(backend, container, health)
    place = _place(backend, container, condition.port)
    if condition.kind == "http":
        return lambda _: _answers(place, condition.path)
    return lambda _: _accepts(place) and not unreachable(backend, container, condition.port)


def _place(backend: Containers, container: str, port: int) -> tuple[str, int]:
    """Return where a port of the guest is published."""
    state = backend.state(container)
    for binding in state.ports if state else ():
        if binding.container == port and binding.protocol == "tcp":
            here = binding.everywhere or backend.info.forwards_ports
            return (LOOPBACK if here else binding.host_ip), binding.host
    return LOOPBACK, 0  # it has already ended, which the wait reports


def _accepts(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, _ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


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


def _healthy(backend: Containers, container: str, health: HealthCheck | None) -> Check:
    interval = (health or HealthCheck(command=())).interval
    next_look = 0.0

    def check(_: bool) -> bool:
        nonlocal next_look
        # If the request runs the check, respect the check's interval.
        if (now := time.monotonic()) < next_look:
            return False
        next_look = now + (interval if backend.info.health_on_request else 0)
        found = backend.health(container)
        if found == "unhealthy":
            raise NeverError("the container is unhealthy")
        if not found:
            raise NeverError("the container has no health check that could be waited for")
        return found == "healthy"

    return check


def _wrote(backend: Containers, container: str, pattern: str, enough: Callable[[], bool]) -> Check:
    """Read the whole log each time, since engines answer a request to follow a log only once it has content."""

    def check(goes_on: bool) -> bool:
        try:
            return any_matches(pattern, _lines(backend, container, goes_on, enough))
        except SearchError as error:
            raise NeverError(f"cannot look for {pattern!r} in its output: {error}") from None

    return check


def _lines(
    backend: Containers, container: str, goes_on: bool, enough: Callable[[], bool]
) -> Iterator[Sequence[str]]:
    """Yield the lines of a guest's output live; an incomplete last line only after the guest has ended."""
    begun = {False: "", True: ""}
    with contextlib.closing(backend.logs(container)) as logs:
        while pieces := logs.read():
            for stream, data in pieces:
                error = stream == STDERR
                *lines, rest = (begun[error] + bytes(data).decode(errors="replace")).split("\n")
                begun[error] = rest[-LONGEST_LINE:]
                yield lines
            if enough():
                return
    if not goes_on:
        yield list(begun.values())


def unreachable(
    backend: Containers, container: str, port: int
) -> Literal["loopback", "nowhere"] | None:
    """Return why a port of the guest cannot be reached from outside, according to the guest's own kernel.

    Args:
        backend: the engine.
        container: the guest's container.
        port: the port.

    Returns:
        The reason: something listens only on the container's loopback, or nothing listens. ``None`` if it is reachable,
        or if the kernel cannot be asked, as in an image without Python.

    Raises:
        EngineLostError: the engine went away.
    """
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
        return None
    if status == _ON_LOOPBACK:
        return "loopback"
    return "nowhere" if status == _NOWHERE else None
