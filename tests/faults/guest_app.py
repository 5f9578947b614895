"""The guest script: ``CASE ARGUMENT…``."""

# ruff: noqa: T201 - printing is what a script does

from __future__ import annotations

import json
import os
import signal
import sys
import threading

from buildr import Containerize

BLOCK = bytes(range(256)) * 4096


def status(number: str) -> None:
    sys.exit(int(number))


def die(number: str) -> None:
    if int(number) == signal.SIGPIPE:  # Python ignores SIGPIPE
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), int(number))
    signal.pause()


def wait() -> None:
    """Wait for a signal; exit cleanly on an interrupt."""
    try:
        print("ready", flush=True)
        while True:
            signal.pause()
    except KeyboardInterrupt:
        sys.exit(9)


def say(text: str, number: str) -> None:
    """Write a text, and exit at the end of the input."""
    print(text, flush=True)
    sys.stdin.read()
    sys.exit(int(number))


def lines(count: str, number: str) -> None:
    """Write lines to both streams alternately."""
    for index in range(int(count)):
        os.write(1, b"out %d\n" % index)
        os.write(2, b"err %d\n" % index)
    sys.exit(int(number))


def bulk(mebibytes: str) -> None:
    for _ in range(int(mebibytes)):
        sys.stdout.buffer.write(BLOCK)


@Containerize(
    package=json.loads(os.environ.get("PACKAGE_OPTIONS", "{}")),
    runtime=json.loads(os.environ.get("RUNTIME_OPTIONS", "{}")),
)
def main() -> None:
    case, *values = sys.argv[1:]
    globals()[case](*values)


def repeat(times: int) -> None:
    """Run repeatedly in one host process, and print its open descriptors and threads after each run."""
    for _ in range(times):
        try:
            main()
        except SystemExit as end:
            held = len(os.listdir("/proc/self/fd")), threading.active_count()
            print("held", *held, "status", end.code, flush=True)


if __name__ == "__main__":
    if times := os.environ.get("REPEAT"):  # set on the host only
        repeat(int(times))
    else:
        main()
