"""The script of most engine tests: `app.py CASE ARGUMENT…`. Its arguments choose what it does, so that tests share one image.

The options of the run come from a variable of the host and do not affect the image.
"""

# ruff: noqa: T201 - printing is what a script does

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
import time

from buildr import Containerize


def noise_of(size: int) -> bytes:
    """Return deterministic pseudo-random bytes."""
    return hashlib.shake_128(b"noise").digest(size)


def status(number: str) -> None:
    sys.exit(int(number))


def text() -> None:
    sys.exit("no luck today")


def fail() -> None:
    print("about to fail")
    error = KeyError("missing")
    raise ValueError("broken") from error


def die(name: str) -> None:
    sys.stdout.write("last words")
    sys.stdout.flush()
    os.kill(os.getpid(), getattr(signal, name))


def echo() -> None:
    """Copy standard input to both streams, reversed on standard error."""
    data = sys.stdin.buffer.read()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    sys.stderr.buffer.write(data[::-1])


def noise(size: str) -> None:
    sys.stdout.buffer.write(noise_of(int(size)))


def order(count: str) -> None:
    """Write lines to both streams alternately, without Python's buffers."""
    for number in range(int(count)):
        os.write(1, b"out %d\n" % number)
        os.write(2, b"err %d\n" % number)


def endless() -> None:
    while True:
        print("more", flush=True)


def deaf() -> None:
    """Never read standard input."""
    print("heard nothing")


def arguments(*values: str) -> None:
    json.dump(values, sys.stdout)


def facts(*names: str) -> None:
    """Print what the process sees of its environment."""
    everything = {
        "argv": sys.argv,
        "directory": os.getcwd(),
        "environment": dict(os.environ),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "home": os.path.expanduser("~"),
        "encoding": sys.stdout.encoding,
        "zone": time.tzname,
        "terminals": [os.isatty(fd) for fd in (0, 1, 2)],
        "pid": os.getpid(),
        "status": _proc_status(),
    }
    json.dump({name: everything[name] for name in names} if names else everything, sys.stdout)


def _proc_status() -> dict[str, str]:
    with open("/proc/self/status", encoding="utf-8") as file:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}


def signals(*handled: str) -> None:
    """Print received signals; exit with status 7 on SIGTERM if it is among them."""

    def tell(number: int, _frame: object) -> None:
        print(signal.Signals(number).name, flush=True)
        if number == signal.SIGTERM:
            sys.exit(7)

    for name in handled:
        signal.signal(getattr(signal, name), tell)
    print("ready", flush=True)
    while True:
        signal.pause()


def interrupted() -> None:
    """Exit cleanly on an interrupt."""
    try:
        print("ready", flush=True)  # interrupts are caught from here on
        while True:
            signal.pause()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(9)


def stubborn() -> None:
    """Ignore all signals that request an end."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        signal.pause()


def terminal() -> None:
    """Describe the terminal, and print its input up to the end."""

    def tell_size(*_: object) -> None:
        columns, rows = os.get_terminal_size()
        print(f"size {rows}x{columns}", flush=True)

    signal.signal(signal.SIGWINCH, tell_size)
    print("terminals", [os.isatty(fd) for fd in (0, 1, 2)], os.environ.get("TERM"))
    sys.stderr.write("a word on standard error\n")
    if sys.stdin.isatty():
        tell_size()
    try:
        print("ready", flush=True)  # interrupts are caught from here on
        for line in sys.stdin:
            print("heard", repr(line), flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(9)
    sys.exit(5)


def leave(number: str) -> None:
    """Exit immediately, from any thread."""
    os._exit(int(number))


@Containerize(runtime=json.loads(os.environ.get("RUNTIME_OPTIONS", "{}")))
def main() -> None:
    case, *values = sys.argv[1:]
    globals()[case](*values)


def handlers_around_main() -> None:
    """Call the function in a program with its own signal handlers; print whether they were restored."""

    def mine(number: int, frame: object) -> None:
        pass

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH, signal.SIGTSTP)
    for number in numbers:
        signal.signal(number, mine)
    try:
        main()
    except SystemExit as end:
        restored = all(signal.getsignal(number) is mine for number in numbers)
        print(f"left with {end.code}, handlers restored: {restored}")


def main_in_a_thread() -> None:
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()


if __name__ == "__main__":
    {"handlers": handlers_around_main, "thread": main_in_a_thread}.get(
        os.environ.get("CALL", ""), main
    )()
