"""One command, measured as a whole: wall time, peak memory as reported by the kernel, output."""

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
_SHOWN = 4000  # characters of a failed command's output to show


@dataclass(frozen=True, kw_only=True)
class Run:
    """The result of one command.

    Attributes:
        seconds: wall time from its start until it was reaped.
        peak_bytes: the largest resident set, ``ru_maxrss`` of wait4(2): that of the process, of a child that it has
            reaped, or our own until now, whichever is largest.
        output: its standard output, as far as it was kept.
        errors: its standard error, the last part of it.
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
    """Run a command as the engine's user, and read its output through a pipe.

    Args:
        engine: determines the user and the environment.
        words: the command.
        cwd: where it runs.
        environ: variables in addition to the engine's.
        read: reads the pipe, given its descriptor, to its end and returns what to keep; by default everything.

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
    """Read everything."""
    chunks = []
    while chunk := os.read(descriptor, CHUNK):
        chunks.append(chunk)
    return b"".join(chunks)


def count_bytes(descriptor: int) -> bytes:
    """Return only the number of bytes, as decimal digits."""
    buffer = bytearray(CHUNK)
    total = 0
    while count := os.readv(descriptor, [buffer]):
        total += count
    return b"%d" % total


def delays(descriptor: int) -> bytes:
    """Read lines with times of ``CLOCK_MONOTONIC``; return each line's delay on a line of its own.

    All in nanoseconds; host and container share that clock (time_namespaces(7) are not used by the engines).
    """
    found = []
    rest = b""
    while chunk := os.read(descriptor, CHUNK):
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        *lines, rest = (rest + chunk).split(b"\n")
        found += [now - int(line) for line in lines]
    return b"\n".join(b"%d" % delay for delay in found)
