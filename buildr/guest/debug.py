"""Runs a script, or a module, once a debugger has attached.

Like `python -m debugpy --wait-for-client`, but it says when a client may attach, and finds debugpy in a folder of its
own, behind what the project has installed.

Usage: python debug.py FOLDER PORT SCRIPT [ARGUMENT ...]
       python debug.py FOLDER PORT -m MODULE [ARGUMENT ...]

With ``host:PORT`` only the container's host can connect: see `buildr.guest.gate`.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_INTERRUPTED = 130  # 128 + SIGINT, as a shell has it


def main(words: list[str]) -> None:
    """Wait for a debugger, then run the program."""
    folder, port, *command = words
    if os.path.dirname(os.path.abspath(__file__)) == sys.path[0]:
        del sys.path[0]  # modules with common names
    sys.path.append(folder)
    gate = open_gate(port.partition(":")[2]) if ":" in port else None
    debugpy = importlib.import_module("debugpy")  # not part of this package: the image has it
    if gate is None:
        # On every address of the container, where the port is published; the host's side limits access.
        debugpy.listen(("0.0.0.0", int(port)))  # noqa: S104 - see above
    else:
        _, own = debugpy.listen(("127.0.0.1", 0))
        gate.write(b"%d\n" % own)
        gate.close()
    sys.stderr.write("buildr: the script waits for a debugger\n")
    sys.stderr.flush()
    try:
        debugpy.wait_for_client()
    except KeyboardInterrupt:
        os._exit(_INTERRUPTED)
    # From here on everything is as Python itself has it: sys.argv, sys.path, __main__.
    if command[0] == "-m":
        sys.path.insert(0, os.getcwd())
        sys.argv[:] = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        script = command[0]
        sys.path.insert(0, script if os.path.isdir(script) else os.path.dirname(script))
        sys.argv[:] = command
        runpy.run_path(script, run_name="__main__")


def open_gate(port: str) -> Any:
    """Start the process that admits only the host; return the pipe by which it gets the port to pass connections on to."""
    import subprocess  # before debugpy watches for child processes

    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gate.py")
    started = subprocess.Popen(
        [sys.executable, "-IS", program, port],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert started.stdout is not None  # noqa: S101 - it is a pipe
    if not started.stdout.readline():
        sys.exit("buildr: nothing can listen on port " + port)
    started.stdout.close()
    started.wait()  # it continues in a separate process
    return started.stdin


if __name__ == "__main__":
    main(sys.argv[1:])
