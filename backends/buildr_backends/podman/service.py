"""The transient Podman service: how Buildr works where no daemon runs.

``podman system service`` answers on a socket that only this user can open, in a session of its own so that
Ctrl+C in the terminal does not reach it, and ends by itself after two idle minutes. Later runs share it.

The socket is handed to the service as systemd would hand it over (sd_listen_fds(3): the socket is descriptor 3,
``LISTEN_FDS`` and ``LISTEN_PID`` are set). It listens before Podman has started, so nobody has to poll for it:
the first request simply waits in the queue.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import socket
import time
from typing import TYPE_CHECKING

from buildr.errors import EngineNotFoundError, EngineUnavailableError
from buildr.host import children
from buildr.host.private_folders import first_of, runtime_folders
from buildr_backends.http.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

IDLE_SECONDS = 120
"""How long the service outlives its last request, unless `IDLE_VARIABLE` says otherwise."""
IDLE_VARIABLE = "BUILDR_PODMAN_IDLE_SECONDS"

_BACKLOG = 128  # of the listening socket, for fifty runs at once
_LISTEN_SECONDS = 1.0  # until a service that listens has taken a connection
_LISTEN_FD = 3  # SD_LISTEN_FDS_START
_LONGEST_PATH = 107  # bytes of a Unix socket's path, unix(7)
_SHARED = "podman-"  # how the sockets of shared services begin
APART = "build-"  # and those of services apart
_FILES = (".sock", ".log", ".lock")  # of a shared service; the lock last
LEFT_SECONDS = 60.0  # after which a socket where nobody listens is a left-over
_TAIL = 2000  # bytes of the log that an error shows

# The service keeps the environment of its first user, so a run with another one needs another service.
_FROZEN_PREFIXES = (
    "BUILDAH_",
    "CONTAINERS_",
    "PODMAN_",
    "REGISTRY_",
    "SSL_CERT_",
    "STORAGE_",
)
_FROZEN = {
    IDLE_VARIABLE,
    "DBUS_SESSION_BUS_ADDRESS",
    "DOCKER_CONFIG",
    "HOME",
    "NETAVARK_FW",
    "PATH",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
}
# Files that the service reads once, when it starts, and the variables that name others in their place.
_CONFIGURATION = {
    "containers.conf": "CONTAINERS_CONF",
    "registries.conf": "CONTAINERS_REGISTRIES_CONF",
    "storage.conf": "CONTAINERS_STORAGE_CONF",
}

# What would make Podman speak to another engine, or to systemd on behalf of somebody else.
_NOT_FOR_SERVICE = {
    "CONTAINER_CONNECTION",
    "CONTAINER_HOST",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "PODMAN_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
}
# A signal that is ignored here stays ignored in whatever the service starts; Python itself ignores the last two.
_SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)


def service(podman: str) -> Endpoint:
    """Return the socket of this user's transient service, starting it when none answers.

    Args:
        podman: path of the program.

    Raises:
        EngineUnavailableError: the service cannot be started here.
    """
    directory = private_directory()
    base = f"{directory}/{_SHARED}{_key(podman)}"
    endpoint = Endpoint(url=f"unix://{base}.sock", path=f"{base}.sock")
    if listens(endpoint):
        return endpoint
    try:
        with _locked(f"{base}.lock"):
            if not listens(endpoint):  # another run may have been quicker
                start(podman, endpoint.path, f"{base}.log")
                _remove_left(directory)
    except OSError as error:
        raise EngineUnavailableError(
            f"a Podman service cannot be started on {endpoint.path}: {error.strerror or error}",
            hint="Start one yourself: podman system service --time=0 unix:///path/to/socket &"
            "\nand name it: CONTAINER_HOST=unix:///path/to/socket",
        ) from None
    return endpoint


def idle_seconds() -> int:
    """Return how long the service outlives its last request, in seconds.

    Raises:
        EngineUnavailableError: the variable holds no such number.
    """
    text = os.environ.get(IDLE_VARIABLE) or str(IDLE_SECONDS)
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) == 0:
        raise EngineUnavailableError(
            f"{IDLE_VARIABLE} cannot be {text!r}",
            hint="It is a number of seconds, 1 or more. Without it: 120.",
        )
    return int(text)


def log_tail(endpoint: Endpoint) -> str:
    """Return the last words of a service that failed, for an error's hint."""
    path = endpoint.path.removesuffix(".sock") + ".log"
    with contextlib.suppress(OSError), open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
        lines = file.read(_TAIL).decode(errors="replace").splitlines()
        return "\n".join(lines[-5:]).strip()
    return ""


def find_podman() -> str:
    """Return the path of the ``podman`` program.

    Raises:
        EngineNotFoundError: there is none on ``PATH``.
    """
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        podman = os.path.join(directory, "podman")
        if os.access(podman, os.X_OK) and not os.path.isdir(podman):
            return os.path.abspath(podman)
    raise EngineNotFoundError(
        "Podman is not installed: there is no `podman` on PATH and no Podman socket",
        hint="Install it (Debian, Ubuntu: sudo apt-get install podman; Fedora: sudo dnf install podman),"
        "\nor use Docker: BUILDR_BACKEND=docker.",
    )


def start(podman: str, path: str, log: str, temporary: str | None = None) -> int:
    """Start a service; return its process.

    Args:
        podman: path of the program.
        path: of the socket.
        log: path of the file for what it says.
        temporary: the folder for its temporary files; ``None``: where it keeps them anyway.

    Raises:
        OSError: it cannot be started.
    """
    children.collect()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(_BACKLOG)
        environ = {k: v for k, v in os.environ.items() if k not in _NOT_FOR_SERVICE}
        if temporary is not None:
            environ["TMPDIR"] = temporary
        # LISTEN_PID must be the pid of Podman itself, which only a shell that becomes it can know.
        # Without an address: Podman would remove the socket that an address names. The first user's directory
        # may go while the service lives, and its umask is not for others.
        become = 'cd / && umask 022 && LISTEN_PID=$$ exec "$0" system service --time="$1"'
        write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        pid = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", become, podman, str(idle_seconds())],
            environ | {"LISTEN_FDS": "1"},
            file_actions=[
                # First of all: where a standard stream was closed, the listener may have its number.
                (os.POSIX_SPAWN_DUP2, listener.fileno(), _LISTEN_FD),
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, write, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                *(
                    (os.POSIX_SPAWN_CLOSE, descriptor)
                    for descriptor in children.inherited(_LISTEN_FD)
                ),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=_SIGNALS,
        )
    children.note(pid)
    return pid


def _remove_left(directory: str) -> None:
    """Remove the files of shared services that have ended and that nobody has started again."""
    for name in os.listdir(directory):
        base, dot, kind = f"{directory}/{name}".rpartition(".")
        if not name.startswith(_SHARED) or dot + kind != _FILES[-1]:
            continue
        with contextlib.suppress(OSError):
            # Whoever starts it has the lock; of one that just failed to start, somebody reads the log yet.
            if time.time() - _changed(base) > LEFT_SECONDS:
                with _locked(f"{base}.lock", wait=False):
                    endpoint = Endpoint(url=f"unix://{base}.sock", path=f"{base}.sock")
                    if time.time() - _changed(base) > LEFT_SECONDS and not listens(endpoint):
                        for ending in _FILES:
                            with contextlib.suppress(FileNotFoundError):
                                os.unlink(f"{base}{ending}")


def _changed(base: str) -> float:
    """Return when a shared service was started, or last tried to, in seconds since the epoch."""
    try:
        return os.stat(f"{base}.sock").st_mtime
    except FileNotFoundError:
        return os.stat(f"{base}.lock").st_mtime


def listens(endpoint: Endpoint) -> bool:
    """Whether a service takes connections."""
    try:
        endpoint.connect(_LISTEN_SECONDS).close()
    except OSError:
        return False
    return True


def _key(podman: str) -> str:
    """Name what a service freezes: its environment, its priority, its configuration, and the program."""
    parts = [f"nice {os.getpriority(os.PRIO_PROCESS, 0)}"]  # containers inherit it
    for name, value in sorted(os.environ.items()):
        if name in _FROZEN or name.startswith(_FROZEN_PREFIXES) or name.lower().endswith("_proxy"):
            parts.append(f"{name}={value}")
    for path in (podman, *(path for name in _CONFIGURATION for path in configuration(name))):
        with contextlib.suppress(OSError):
            found = os.stat(path)
            parts.append(f"{path} {found.st_ino} {found.st_size} {found.st_mtime_ns}")
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:12]


def configuration(name: str) -> Iterator[str]:
    """Yield the paths of a configuration file that may be there, ``containers.conf`` say."""
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    yield f"/etc/containers/{name}"
    yield f"{config}/containers/{name}"
    if named := os.environ.get(_CONFIGURATION[name]):
        yield named


def private_directory() -> str:
    """Return a directory that is ours and that nobody else can open.

    Raises:
        EngineUnavailableError: something else has its place.
    """
    for path in (candidates := runtime_folders()):
        if _socket_fits(path) and first_of((path,), make=True):
            return path
    raise EngineUnavailableError(
        f"there is no private directory for a Podman service: tried {' and '.join(candidates)}",
        hint="Set XDG_RUNTIME_DIR to a directory of your own with mode 0700 and a short path.",
    )


def _socket_fits(directory: str) -> bool:
    longest = f"{directory}/{APART}{'0' * 7}-{'0' * 12}-{'0' * 6}.sock"
    return len(os.fsencode(longest)) <= _LONGEST_PATH


@contextlib.contextmanager
def _locked(path: str, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock, flock(2), on a file that who has it may remove.

    Raises:
        OSError: the file cannot be opened; or somebody else has the lock, and it is not to be waited for.
    """
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if not _is_at(lock, path):
                continue  # removed meanwhile: the lock of that name is another
            yield
            return
        finally:
            os.close(lock)


def _is_at(file: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False
