"""A Podman user without any service, and the end of the services that Buildr starts there."""

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
    """Yield an environment in which no Podman socket can be found, not even one of Buildr's earlier runs."""
    # Short: a socket's path has 107 bytes at most.
    directory = Path(tempfile.mkdtemp(prefix="bb-", dir="/tmp"))
    environ = {_VARIABLE: str(directory)}
    try:
        engine.give(directory)
        yield environ
    finally:
        end_services(environ)
        shutil.rmtree(directory, ignore_errors=True)


def end_services(environ: Mapping[str, str]) -> None:
    """End each ``podman system service`` of an environment, and wait until it is gone.

    Raises:
        BenchmarkError: one does not end.
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
            continue  # it has ended meanwhile, or is not ours to look at


def end(pid: int) -> None:
    """Ask a process to end, and wait for it.

    Raises:
        BenchmarkError: it does not.
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
