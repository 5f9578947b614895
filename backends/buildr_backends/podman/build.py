"""A Podman service for one build, so that a cancelled build ends.

Podman finishes the running step when the client of a build has gone, and in a service that several builds share, steps cannot be
assigned to builds. In a private service every step belongs to the build: its process is killed, and Podman,
which sees the step fail, removes what the build has left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from buildr.errors import BackendError
from buildr.host.guard import Guard
from buildr_backends.http.endpoint import Endpoint
from buildr_backends.podman import private_service
from buildr_backends.podman.private_service import PrivateService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet
    from types import TracebackType
    from typing import Self

_STEP_PARENT = b"buildah-oci-runtime"  # the name of the child process that runs a step
_CLEANUP_SECONDS = 5.0  # for the removal of a build's leftovers
_PAUSE_SECONDS = 0.02


class BuildService:
    """A private service for one build; a context manager.

    If this process is killed, a guard ends the service and its build.

    Args:
        program: path of ``podman``.
        working: returns the ids of the working containers of all builds of this user.

    Attributes:
        endpoint: where it listens.
    """

    def __init__(self, program: str, working: Callable[[], set[str]]) -> None:
        self._working = working
        self._service = private_service.start(program)
        self.endpoint = self._service.endpoint
        self._others: set[str] = set()
        with contextlib.suppress(BackendError):
            self._others = working()
        found = self._service
        words = (found.endpoint.path, str(found.pid), found.started, *self._others)
        self._guard = Guard(__name__, *words)

    def __enter__(self) -> Self:
        """Return it, started."""
        self._guard.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it; when an interrupt ended the build, end its steps first."""
        try:
            if kind is not None and not issubclass(kind, Exception):
                _end_steps(self._service, self._working, self._others)
            _end_service(self._service)
        except BaseException:
            self._guard.take_over()  # the user does not want to wait
            raise
        finally:
            self._guard.__exit__(None)


def end(service: PrivateService, others: AbstractSet[str] = frozenset()) -> None:
    """End a build without its host process: its steps, working containers and service.

    Args:
        service: the one that builds.
        others: working containers that existed before.
    """
    from buildr_backends.http.client import Client
    from buildr_backends.podman.working_containers import PREFIX, working_containers

    client = Client(service.endpoint, PREFIX)
    try:
        _end_steps(service, lambda: working_containers(client), others)
    finally:
        client.close()
        _end_service(service)


def _end_service(service: PrivateService) -> None:
    if service.is_alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(service.pid, signal.SIGTERM)
    private_service.forget(service)


def _end_steps(
    service: PrivateService, working: Callable[[], set[str]], others: AbstractSet[str]
) -> None:
    """Kill each step until Podman has removed the working containers that came with the build."""
    deadline = time.monotonic() + _CLEANUP_SECONDS
    left: set[str] | None = None
    while left != set() and time.monotonic() < deadline and service.is_alive:
        # Podman refuses the whole list while one of them is removed; steps are ended without it, too.
        with contextlib.suppress(BackendError):
            now = working() - others
            left = now if left is None else left & now
        for pid in _steps(service.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)


def _steps(service: int) -> Iterator[int]:
    """Yield the first processes of the steps that a service runs now."""
    for leader in _descendants(service):
        with contextlib.suppress(OSError), open(f"/proc/{leader}/cmdline", "rb") as file:
            if file.read().startswith(_STEP_PARENT):
                yield from _children().get(leader, ())


def _descendants(pid: int) -> Iterator[int]:
    children = _children()
    waiting = [pid]
    while waiting:
        found = children.get(waiting.pop(), [])
        yield from found
        waiting += found


def _children() -> dict[int, list[int]]:
    """Return the processes by their parents, proc(5)."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The name, in parentheses, may hold anything; the parent comes second after it.
                parent = int(file.read().rpartition(b")")[2].split()[1])
                found.setdefault(parent, []).append(int(name))
    return found


def main(arguments: list[str]) -> None:
    """Clean up after a host process, as its guard: ``SOCKET PID STARTED OTHERS… --end SECONDS COUNT``."""
    path, pid, started, *others = arguments[:-3]
    endpoint = Endpoint(url=f"unix://{path}", path=path)
    end(PrivateService(endpoint=endpoint, pid=int(pid), started=started), set(others))


if __name__ == "__main__":
    main(sys.argv[1:])
