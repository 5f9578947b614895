"""One command, timed as a whole: wall time, peak memory as the kernel accounts for it, output."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.engines import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.engines import Engine

CHUNK = 1 << 20
_SHOWN = 4000  # characters of a failed command's last words


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one command did.

    Attributes:
        seconds: wall time from its start until it was collected.
        peak_bytes: the largest resident set, ``ru_maxrss`` of wait4(2): of the process, or of a child that it has
            collected, or our own peak until now, whichever is largest.
        output: its standard output, as far as it was kept.
        errors: its standard error.
    """

    seconds: float
    peak_bytes: int
    output: bytes
    errors: str


def run(
    engine: Engine,
    words: Sequence[str],
    *,
    cwd: Path | str,
    environ: Mapping[str, str] | None = None,
    read: Callable[[int], bytes] | None = None,
) -> Run:
    """Run a command as the engine's user, with its output going through a pipe to us.

    Args:
        engine: whose user and environment it gets.
        words: the command.
        cwd: where it runs.
        environ: variables beside the engine's.
        read: reads the pipe to its end, given its descriptor, and returns what is to be kept of it; all of it, without.

    Raises:
        BenchmarkError: the command failed.
    """
    reader = read or read_all
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env={**engine.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            **engine.identity(),
        )
        if process.stdout is None:
            raise AssertionError("stdout is a pipe")
        with process.stdout:
            output = reader(process.stdout.fileno())
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    if process.returncode != 0:
        raise BenchmarkError(
            f"{' '.join(words)} failed on {engine.name} with status {process.returncode}:\n{said[-_SHOWN:]}"
        )
    return Run(seconds=seconds, peak_bytes=usage.ru_maxrss * 1024, output=output, errors=said)


def read_all(descriptor: int) -> bytes:
    """Keep all."""
    chunks = []
    while chunk := os.read(descriptor, CHUNK):
        chunks.append(chunk)
    return b"".join(chunks)


def count_bytes(descriptor: int) -> bytes:
    """Keep nothing but the number of bytes, as decimal digits."""
    buffer = bytearray(CHUNK)
    total = 0
    while count := os.readv(descriptor, [buffer]):
        total += count
    return b"%d" % total


def delays(descriptor: int) -> bytes:
    """Read lines that each hold a time of ``CLOCK_MONOTONIC``; return how long each took to arrive, as lines.

    All in nanoseconds; host and container share that clock (time_namespaces(7) are not used by the engines).
    """
    found = []
    rest = b""
    while chunk := os.read(descriptor, CHUNK):
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        *lines, rest = (rest + chunk).split(b"\n")
        found += [now - int(line) for line in lines]
    return b"\n".join(b"%d" % delay for delay in found)
