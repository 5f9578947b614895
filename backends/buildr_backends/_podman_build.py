"""A Podman service for one build, so that a build that is given up ends.

Podman goes on with the step that runs when the client of a build has gone, and in a service that several builds
share nobody can tell whose step is whose. In a service of its own every step is ours: its process is killed, and
Podman, which sees the step fail, removes what the build has left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from buildr.errors import EngineError
from buildr_backends import _podman_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from buildr_backends._endpoint import Endpoint

_STEP_PARENT = b"buildah-oci-runtime"  # what a service's child that leads a step calls itself
_CLEANUP_SECONDS = 5.0  # for the removal of what a build has left
_PAUSE_SECONDS = 0.02


class BuildService:
    """A service of our own; a context manager.

    Args:
        program: path of ``podman``.
        working: returns the ids of the working containers of all builds of this user.

    Attributes:
        endpoint: where it listens.
    """

    def __init__(self, program: str, working: Callable[[], set[str]]) -> None:
        self._working = working
        self.endpoint: Endpoint
        self.endpoint, self._pid = _podman_service.start_apart(program)

    def __enter__(self) -> Self:
        """Return it, started."""
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
                self._end_steps()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.endpoint.path)

    def _end_steps(self) -> None:
        """Kill each step until Podman has removed the working containers that were there."""
        deadline = time.monotonic() + _CLEANUP_SECONDS
        left: set[str] | None = None
        while left != set() and time.monotonic() < deadline:
            # Podman refuses the whole list while somebody removes one of them.
            with contextlib.suppress(EngineError):
                now = self._working()
                left = now if left is None else left & now
            for pid in _steps(self._pid):
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
