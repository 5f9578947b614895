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
import shutil
import socket
import stat
from typing import TYPE_CHECKING

from buildr.errors import EngineNotFoundError, EngineUnavailableError
from buildr_backends._http import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

IDLE_SECONDS = 120
"""How long the service outlives its last request."""

_BACKLOG = 128  # of the listening socket, for fifty runs at once

# The service keeps the environment of its first user, so a run with another one needs another service.
_FROZEN_PREFIXES = (
    "BUILDAH_",
    "CONTAINERS_",
    "PODMAN_",
    "REGISTRY_",
    "SSL_CERT_",
    "STORAGE_",
    "XDG_",
)
_FROZEN = {"DOCKER_CONFIG", "HOME", "NETAVARK_FW", "PATH", "TMPDIR"}
_LISTEN_FD = 3  # SD_LISTEN_FDS_START


def service(podman: str) -> Endpoint:
    """Return the socket of this user's transient service, starting it when none answers.

    Args:
        podman: path of the program.

    Raises:
        EngineUnavailableError: the service cannot be started here.
    """
    directory = _private_directory()
    base = f"{directory}/podman-{_key(podman)}"
    endpoint = Endpoint(url=f"unix://{base}.sock", path=f"{base}.sock")
    if _listens(endpoint):
        return endpoint
    with _locked(f"{base}.lock"):
        if not _listens(endpoint):  # another run may have been quicker
            _start(podman, endpoint.path, f"{base}.log")
    return endpoint


def log_tail(endpoint: Endpoint) -> str:
    """Return the last words of a service that failed, for an error's hint."""
    with contextlib.suppress(OSError), open(endpoint.path.removesuffix(".sock") + ".log") as file:
        return "".join(file.readlines()[-5:]).strip()
    return ""


def find_podman() -> str:
    """Return the path of the ``podman`` program.

    Raises:
        EngineNotFoundError: there is none on ``PATH``.
    """
    podman = shutil.which("podman")
    if podman is None:
        raise EngineNotFoundError(
            "Podman is not installed: there is no `podman` on PATH and no Podman socket",
            hint="Install it (Debian, Ubuntu: sudo apt-get install podman; Fedora: sudo dnf install podman),"
            "\nor use Docker: BUILDR_BACKEND=docker.",
        )
    return podman


def _start(podman: str, path: str, log: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(_BACKLOG)
        environ = {k: v for k, v in os.environ.items() if not k.startswith("LISTEN_")}
        environ.pop("PODMAN_SOCKET", None)  # it would count as an address
        # LISTEN_PID must be the pid of Podman itself, which only a shell that becomes it can know.
        # Without an address: Podman would remove the socket that an address names. The first user's directory
        # may go while the service lives, and its umask is not for others.
        become = 'cd / && umask 022 && LISTEN_PID=$$ exec "$0" system service --time="$1"'
        write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", become, podman, str(IDLE_SECONDS)],
            environ | {"LISTEN_FDS": "1"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, write, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, listener.fileno(), _LISTEN_FD),
            ],
            setsid=True,
        )
    except OSError as error:
        raise EngineUnavailableError(
            f"a Podman service cannot be started on {path}: {error.strerror or error}",
            hint="Start one yourself: podman system service --time=0 unix:///path/to/socket &"
            "\nand name it: CONTAINER_HOST=unix:///path/to/socket",
        ) from None
    finally:
        listener.close()


def _listens(endpoint: Endpoint) -> bool:
    try:
        endpoint.connect(1.0).close()
    except OSError:
        return False
    return True


def _key(podman: str) -> str:
    """Name the environment that a service freezes, and the program's version."""
    program = os.stat(podman)
    parts = [podman, str(program.st_ino), str(program.st_mtime_ns)]
    for name, value in sorted(os.environ.items()):
        if name in _FROZEN or name.startswith(_FROZEN_PREFIXES) or name.lower().endswith("_proxy"):
            parts.append(f"{name}={value}")
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:12]


def _private_directory() -> str:
    """Return a directory that is ours and that nobody else can open.

    Raises:
        EngineUnavailableError: something else has its place.
    """
    uid = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    candidates = [f"{runtime}/buildr", f"/tmp/buildr-{uid}"]  # noqa: S108 - its owner and mode are checked
    for path in candidates:
        with contextlib.suppress(OSError):
            os.mkdir(path, 0o700)
        try:
            found = os.lstat(path)
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode) and found.st_uid == uid:
            if found.st_mode & 0o077:
                os.chmod(path, 0o700)
            return path
    raise EngineUnavailableError(
        f"there is no private directory for a Podman service: tried {' and '.join(candidates)}",
        hint="Set XDG_RUNTIME_DIR to a directory of your own with mode 0700.",
    )


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
