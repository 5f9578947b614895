"""The transient Podman service, for machines without a running service.

``podman system service`` answers on a socket that only this user can open, in a session of its own so that
Ctrl+C in the terminal does not reach it, and ends by itself after two idle minutes. Later runs share it.
"""

from __future__ import annotations

import contextlib
import os
import time

from buildr.errors import EngineNotFoundError, EngineUnavailableError
from buildr_backends.http.endpoint import Endpoint
from buildr_backends.podman.configuration import service_key
from buildr_backends.podman.launch import listens, start
from buildr_backends.podman.private_directory import (
    LEFT_SECONDS,
    SHARED,
    locked,
    private_directory,
)

_FILES = (".sock", ".log", ".lock")  # of a shared service; the lock last
_TAIL = 2000  # bytes of the log that an error shows


def service(podman: str) -> Endpoint:
    """Return the socket of this user's transient service, starting it when none answers.

    Args:
        podman: path of the program.

    Raises:
        EngineUnavailableError: the service cannot be started here.
    """
    directory = private_directory()
    base = f"{directory}/{SHARED}{service_key(podman)}"
    endpoint = Endpoint(url=f"unix://{base}.sock", path=f"{base}.sock")
    if listens(endpoint):
        return endpoint
    try:
        with locked(f"{base}.lock"):
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


def log_tail(endpoint: Endpoint) -> str:
    """Return the end of the log of a service that failed, for an error's hint."""
    path = endpoint.path.removesuffix(".sock") + ".log"
    with contextlib.suppress(OSError), open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
        lines = file.read(_TAIL).decode(errors="replace").splitlines()
        return "\n".join(lines[-5:]).strip()
    return ""


def find_podman() -> str:
    """Return the path of the ``podman`` program.

    Raises:
        EngineNotFoundError: Podman is not on ``PATH``.
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


def _remove_left(directory: str) -> None:
    """Remove the files of shared services that have ended and were not started again."""
    for name in os.listdir(directory):
        base, dot, kind = f"{directory}/{name}".rpartition(".")
        if not name.startswith(SHARED) or dot + kind != _FILES[-1]:
            continue
        with contextlib.suppress(OSError):
            # A run that starts it holds the lock; if it failed to start just now, that run still reads the log.
            if time.time() - _changed(base) > LEFT_SECONDS:
                with locked(f"{base}.lock", wait=False):
                    endpoint = Endpoint(url=f"unix://{base}.sock", path=f"{base}.sock")
                    if time.time() - _changed(base) > LEFT_SECONDS and not listens(endpoint):
                        for ending in _FILES:
                            with contextlib.suppress(FileNotFoundError):
                                os.unlink(f"{base}{ending}")


def _changed(base: str) -> float:
    """Return when a shared service was started, or was last tried to be, in seconds since the epoch."""
    try:
        return os.stat(f"{base}.sock").st_mtime
    except FileNotFoundError:
        return os.stat(f"{base}.lock").st_mtime
