"""A Podman service for one use: its files, and what is left of it when its user was killed.

All of it lies beside the sockets of shared services, named for the host process, by pid and start: the socket, a file that
holds the service's process, a link to the folder where the service keeps temporary files, and a file that the host process
keeps locked as long as it lives (flock(2)). A pid tells that only within its own pid namespace, and several namespaces share
these files: those of a sandbox, a devcontainer, a toolbox.

The folder is the service's own because Podman leaves the received part of an upload that breaks off there: a part of the
project. It lies where Podman would keep such files anyway, since layers pass through it, which are too large for memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.errors import EngineUnavailableError
from buildr.host import private_folders
from buildr.host.process import pid_namespace, start_time
from buildr_backends.http.endpoint import Endpoint
from buildr_backends.podman import launch, private_directory
from buildr_backends.podman.configuration import configuration_files
from buildr_backends.podman.private_directory import LEFT_SECONDS, PRIVATE

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROCESS = ".pid"  # ends the name of the file beside a socket
_FOLDER = ".tmp"  # that of the link
_LOCK = ".lock"  # and that of the locked file
_PODMAN_TEMPORARY = "/var/tmp"  # noqa: S108 - where Podman keeps temporary files, unless configured otherwise
_CACHES = "buildah-cache"  # begins the names of folders there that outlive a build: RUN --mount=type=cache
_CHOSEN = re.compile(r"^\s*image_copy_tmp_dir\s*=", re.MULTILINE)  # containers.conf(5)


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
        pid = launch.start(podman, path, os.devnull, _make_folder(path))
    except OSError as error:
        _remove_folder(path)
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
    """Yield this user's private services that are alive, and whose host processes have gone."""
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
                # Its process has another pid here. It ends by itself, when it has been idle.
                if not _listens(path):
                    forget(service)
            elif service.is_alive:
                yield service
            else:
                forget(service)


def forget(service: PrivateService) -> None:
    """Remove the files of a service that has ended, or is just ending."""
    path = service.endpoint.path
    _remove_folder(path)
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
    """Remove what is left of private services whose users were killed before they could do so."""
    for name in os.listdir(directory):
        path = f"{directory}/{name}"
        if not name.startswith(PRIVATE) or name.endswith(_PROCESS):
            continue
        with contextlib.suppress(OSError):
            # A young one may not listen yet.
            if time.time() - os.lstat(path).st_mtime < LEFT_SECONDS:
                continue
            if name.endswith((_FOLDER, _LOCK)):
                socket = path.removesuffix(_FOLDER).removesuffix(_LOCK)
                if _host_has_gone(socket) and not _listens(socket):
                    _remove_folder(socket) if name.endswith(_FOLDER) else _remove_lock(socket)
            elif not _listens(path):
                os.unlink(path)


def _listens(path: str) -> bool:
    return launch.listens(Endpoint(url=f"unix://{path}", path=path))


# Temporary files ----------------------------------------------------------------------------------


def _make_folder(path: str) -> str | None:
    """Make the folder for the temporary files of a service, by the path of its socket.

    Returns:
        Its path; ``None`` where the service should keep them where it would.
    """
    if (above := _usual_place(path)) is None:
        return None
    folder = f"{above}/buildr-{os.urandom(8).hex()}"
    try:
        os.symlink(folder, f"{path}{_FOLDER}")  # first, so that it is found in any case
        os.mkdir(folder, 0o700)
        for name in _caches(above):
            os.symlink(f"{above}/{name}", f"{folder}/{name}")
    except OSError:
        _remove_folder(path)
        return None
    return folder


def _usual_place(path: str) -> str | None:
    """Return where a service would keep its temporary files, unless more than that depends on it."""
    of_temporary = path.startswith(f"{private_folders.TEMPORARY}/")
    if os.geteuid() != 0 and of_temporary:
        return (
            None  # without a directory of the user's for that, what Podman runs is in TMPDIR, too
        )
    if given := os.environ.get("TMPDIR"):
        return given if os.path.isabs(given) else None
    return None if _is_configured() else _PODMAN_TEMPORARY  # TMPDIR would overrule that


def _is_configured() -> bool:
    """Whether Podman's configuration says where temporary files go, containers.conf(5)."""
    name = "containers.conf"
    for path in (f"/usr/share/containers/{name}", *configuration_files(name)):
        more: list[str] = []
        with contextlib.suppress(OSError):
            more = [f"{path}.d/{one}" for one in os.listdir(f"{path}.d") if one.endswith(".conf")]
        for one in (path, *more):
            with contextlib.suppress(OSError), open(one, errors="replace") as file:
                if _CHOSEN.search(file.read()):
                    return True
    return False


def _caches(folder: str) -> list[str]:
    """Return the names of the folders of this user in which Podman keeps caches from build to build."""
    with os.scandir(folder) as found:
        return [
            item.name
            for item in found
            if item.name.startswith(_CACHES)
            and item.is_dir(follow_symlinks=False)
            and item.stat(follow_symlinks=False).st_uid == os.geteuid()
        ]


def _remove_folder(path: str) -> None:
    """Remove the folder for temporary files that belongs to a socket, but keep caches."""
    link = f"{path}{_FOLDER}"
    try:
        folder = os.readlink(link)
    except OSError:
        return
    with contextlib.suppress(OSError):
        if _holds_mount(folder):
            return
        for name in _caches(folder):
            # One that is there by now has been made by another build, and stays.
            with contextlib.suppress(OSError):
                os.rename(f"{folder}/{name}", f"{os.path.dirname(folder)}/{name}")
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
    if not os.path.lexists(folder):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(link)


def _holds_mount(folder: str) -> bool:
    """Whether something is mounted below a folder, proc(5), as by a build that was killed: it may be anything."""
    begin = os.fsencode(f"{folder}/")
    with open("/proc/self/mountinfo", "rb") as file:
        return any(line.split(b" ", 5)[4].startswith(begin) for line in file)
