"""The script of most engine tests: `app.py CASE ARGUMENT…` does what CASE says, so that one image serves many tests.

The options of the run come from a variable of the host, and are no part of the image.
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
    """Return bytes of every value without a pattern, always the same."""
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
    """Give standard input back on both streams, on one of them backwards."""
    data = sys.stdin.buffer.read()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    sys.stderr.buffer.write(data[::-1])


def noise(size: str) -> None:
    sys.stdout.buffer.write(noise_of(int(size)))


def order(count: str) -> None:
    """Write one line each to both streams in turn, past Python's own buffers."""
    for number in range(int(count)):
        os.write(1, b"out %d\n" % number)
        os.write(2, b"err %d\n" % number)


def endless() -> None:
    while True:
        print("more", flush=True)


def deaf() -> None:
    """Read nothing of what is sent."""
    print("heard nothing")


def arguments(*values: str) -> None:
    json.dump(values, sys.stdout)


def facts(*names: str) -> None:
    """Say what the process sees of its surroundings."""
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
    """Say which signals come; end with status 7 at SIGTERM if that is among them."""

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
    """End in an orderly way when interrupted."""
    try:
        print("ready", flush=True)  # from here on an interrupt is caught
        while True:
            signal.pause()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(9)


def stubborn() -> None:
    """Ignore every request to end."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        signal.pause()


def terminal() -> None:
    """Say what the terminal is, and what comes from it, until its end."""

    def tell_size(*_: object) -> None:
        columns, rows = os.get_terminal_size()
        print(f"size {rows}x{columns}", flush=True)

    signal.signal(signal.SIGWINCH, tell_size)
    print("terminals", [os.isatty(fd) for fd in (0, 1, 2)], os.environ.get("TERM"))
    sys.stderr.write("a word on standard error\n")
    if sys.stdin.isatty():
        tell_size()
    try:
        print("ready", flush=True)  # from here on an interrupt is caught
        for line in sys.stdin:
            print("heard", repr(line), flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(9)
    sys.exit(5)


def leave(number: str) -> None:
    """End at once, from whichever thread."""
    os._exit(int(number))


@Containerize(runtime=json.loads(os.environ.get("RUNTIME_OPTIONS", "{}")))
def main() -> None:
    case, *values = sys.argv[1:]
    globals()[case](*values)


def handlers_around_main() -> None:
    """Call the function as a program with signal handlers of its own would; say whether they are still there."""

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
