"""A Podman service for one use: its files, and its leftovers when its user was killed.

Everything is beside the sockets of shared services, named for the host process, by pid and start: the socket, a file that
holds the service's process, a link to the folder where the service keeps temporary files, and a file that the host process
keeps locked as long as it lives (flock(2)). A pid shows that only within its own pid namespace, and several namespaces share
these files: those of a sandbox, a devcontainer, a toolbox.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.errors import EngineUnavailableError
from buildr.host.process import pid_namespace, start_time
from buildr_backends.http.endpoint import Endpoint
from buildr_backends.podman import launch, private_directory
from buildr_backends.podman.private_directory import LEFT_SECONDS, PRIVATE
from buildr_backends.podman.temporary_folder import FOLDER, make_folder, remove_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROCESS = ".pid"  # ends the name of the file beside a socket
_LOCK = ".lock"  # and that of the locked file


class PrivateService(Struct, frozen=True, kw_only=True):
    """A service for one use."""

    endpoint: Endpoint
    pid: int
    started: str
    """As `buildr.host.process.start_time` has it."""
    lock: int | None = None
    """The descriptor of the locked file, in the process that has started it."""

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return bool(self.started) and start_time(str(self.pid)) == self.started


def start(podman: str) -> PrivateService:
    """Start a service for one use.

    The caller ends it and calls `forget`; otherwise it ends like any other, when it has been idle.

    Args:
        podman: path of the program.

    Raises:
        EngineUnavailableError: it cannot be started here.
    """
    directory = private_directory.private_directory()
    _remove_left(directory)
    host = f"{os.getpid()}-{start_time('self')}"
    path = f"{directory}/{PRIVATE}{host}-{os.urandom(3).hex()}.sock"
    lock = _lock(path)
    try:
        pid = launch.start(podman, path, os.devnull, make_folder(path))
    except OSError as error:
        remove_folder(path)
        _remove_lock(path, lock)
        raise EngineUnavailableError(
            f"a Podman service cannot be started on {path}: {error.strerror or error}"
        ) from None
    start = start_time(str(pid))
    with contextlib.suppress(OSError):  # the disk is full: then only the watchdog can end it
        record = os.open(f"{path}{_PROCESS}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with open(record, "w", encoding="ascii") as file:
            file.write(f"{pid} {start} {pid_namespace()}")
    endpoint = Endpoint(url=f"unix://{path}", path=path)
    return PrivateService(endpoint=endpoint, pid=pid, started=start, lock=lock)


def left_behind() -> Iterator[PrivateService]:
    """Yield live private services of this user whose host processes are gone."""
    try:
        directory = private_directory.private_directory()
        names = os.listdir(directory)
    except (EngineUnavailableError, OSError):
        return
    for name in names:
        path = f"{directory}/{name.removesuffix(_PROCESS)}"
        if not name.endswith(_PROCESS) or not _host_has_gone(path):
            continue
        with contextlib.suppress(OSError, ValueError):
            with open(f"{path}{_PROCESS}", encoding="ascii") as file:
                pid, begun, of_namespace = file.read().split()
            endpoint = Endpoint(url=f"unix://{path}", path=path)
            service = PrivateService(endpoint=endpoint, pid=int(pid), started=begun)
            if of_namespace != pid_namespace():
                # Its process has another pid here. It ends by itself after its idle time.
                if not _listens(path):
                    forget(service)
            elif service.is_alive:
                yield service
            else:
                forget(service)


def forget(service: PrivateService) -> None:
    """Remove the files of a service that has ended, or is just ending."""
    path = service.endpoint.path
    remove_folder(path)
    for name in (path, f"{path}{_PROCESS}"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    _remove_lock(path, service.lock)


def _host_has_gone(path: str) -> bool:
    """Whether a socket is that of a private service, and of a host process that has ended."""
    name = os.path.basename(path)
    if not name.startswith(PRIVATE):
        return False
    host, start, _ = (*name.removeprefix(PRIVATE).split("-"), "", "")[:3]
    return bool(start) and start_time(host) != start and not _is_locked(path)


def _lock(path: str) -> int | None:
    """Make the file that stays locked as long as this process lives, by the path of the socket."""
    with contextlib.suppress(OSError):
        lock = os.open(f"{path}{_LOCK}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    return None


def _is_locked(path: str) -> bool:
    try:
        lock = os.open(f"{path}{_LOCK}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _remove_lock(path: str, lock: int | None = None) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{path}{_LOCK}")
    if lock is not None:
        os.close(lock)


def _remove_left(directory: str) -> None:
    """Remove leftovers of private services whose host processes were killed."""
    for name in os.listdir(directory):
        path = f"{directory}/{name}"
        if not name.startswith(PRIVATE) or name.endswith(_PROCESS):
            continue
        with contextlib.suppress(OSError):
            # A young one may not listen yet.
            if time.time() - os.lstat(path).st_mtime < LEFT_SECONDS:
                continue
            if name.endswith((FOLDER, _LOCK)):
                socket = path.removesuffix(FOLDER).removesuffix(_LOCK)
                if _host_has_gone(socket) and not _listens(socket):
                    remove_folder(socket) if name.endswith(FOLDER) else _remove_lock(socket)
            elif not _listens(path):
                os.unlink(path)


def _listens(path: str) -> bool:
    return launch.listens(Endpoint(url=f"unix://{path}", path=path))
