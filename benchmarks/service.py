"""An environment without a Podman service, and stopping the services that Buildr starts in it."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.engines import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.engines import Engine

_VARIABLE = "XDG_RUNTIME_DIR"
_SECONDS = 30.0


@contextlib.contextmanager
def nothing_running(engine: Engine) -> Iterator[dict[str, str]]:
    """Yield an environment without a Podman socket, not even one left by an earlier run of Buildr."""
    # Short, because a socket's path is limited to 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="bb-", dir="/tmp"))
    environ = {_VARIABLE: str(directory)}
    try:
        engine.give(directory)
        yield environ
    finally:
        end_services(environ)
        shutil.rmtree(directory, ignore_errors=True)


def end_services(environ: Mapping[str, str]) -> None:
    """Stop each ``podman system service`` of an environment, and wait until it has ended.

    Raises:
        BenchmarkError: a service does not end.
    """
    wanted = f"{_VARIABLE}={environ[_VARIABLE]}".encode()
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            if wanted not in (process / "environ").read_bytes().split(b"\0"):
                continue
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[1:3] == [b"system", b"service"]:
                end(int(process.name))
        except (OSError, ProcessLookupError):
            continue  # it has ended meanwhile, or belongs to another user


def end(pid: int) -> None:
    """Terminate a process and wait for its end.

    Raises:
        BenchmarkError: it does not end.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if not select.select([descriptor], [], [], _SECONDS)[0]:
            raise BenchmarkError(f"process {pid} does not end")
    finally:
        os.close(descriptor)
