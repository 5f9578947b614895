"""The first process of a container that Buildr runs: starts the command, forwards signals, reaps, and ends as it ends.

PID 1 has no default signal handlers: a script would ignore SIGTERM inside, unlike outside. Behind this program it is
an ordinary process, on every engine. Images name it as ENTRYPOINT.

Usage: python -IS init.py COMMAND [ARGUMENT ...]

It imports only what the interpreter has loaded anyway, or has built in, and what is beside it: it is part of every start.
"""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from typing import Any

# Left to the kernel's default; all others are forwarded.
_OURS = {signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU}

# Never blocked: a fault of this process itself.
_FAULTS = {
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGSEGV,
    signal.SIGSYS,
    signal.SIGTRAP,
    signal.SIGABRT,
}


# How long to wait for the size of a terminal; it comes within a few hundredths of a second, if at all.
_SIZE_SECONDS = 0.5

# Names the published TCP ports of the container, separated by commas; the command does not see it.
PUBLISHED = "BUILDR_PUBLISHED_PORTS"

# Asks for a line about the files that are lost with the container: ``always``, or ``success``, where a failed one is kept; likewise.
NOT_KEPT = "BUILDR_NOT_KEPT"

# The kernel's clock for files lags behind by up to one of its ticks, in seconds.
_TICK = 0.02

# When to look whether a server listens on one of them on loopback only, in seconds from the last look: a server that
# starts slowly is seen, too.
_LOOKS = (0.5, 1, 2, 4, 8, 16)


def main(command: list[str]) -> int:
    """Run ``command`` as the only child that counts; return the status to end with.

    Returns:
        The command's exit status; 128 + n when signal n killed it; 127 when it is not found and 126 when it
        cannot be executed, as a shell has it (POSIX, Shell Command Language, 2.8.2).
    """
    waited = set(signal.valid_signals()) - _FAULTS
    # Blocked signals wait for `sigwait`, those that come before the command has started too.
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    # If the parent process ignores it, no child would be reported.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _await_size()
    ports = {int(port) for port in os.environ.pop(PUBLISHED, "").split(",") if port.isdigit()}
    about_files = os.environ.pop(NOT_KEPT, "")
    since = time.time() - _TICK
    _beside("surroundings").settle()
    child = os.fork()
    if child == 0:
        _become(command)
    status = _watch(child, waited, ports) if ports else None
    if status is None:
        status = _serve(child, waited)
    if status or about_files:
        _remark(status, since if about_files == "always" or not status else None)
    return status


def _beside(name: str) -> Any:
    """Load a file of this folder, which is on no search path: the command's modules must not hide it."""
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path.append(folder)
    try:
        return __import__(name)
    finally:
        sys.path.remove(folder)


def _remark(status: int, since: float | None) -> None:
    """Report what the command's exit status does not say.

    Args:
        status: the command's.
        since: when it was started, if files that it has written are to be named.
    """
    remarks = _beside("remarks")
    if status:
        remarks.say(remarks.of_memory())
    if since is not None:
        remarks.say(remarks.of_files(remarks.written(since)))


def _await_size() -> None:
    """Wait until the terminal, if there is one, has a size: the host can set it only after the start."""
    try:
        size = os.get_terminal_size(0)
    except OSError:
        return  # no terminal
    if size == (0, 0):
        # SIGWINCH is blocked, so one that came before this line is not lost.
        signal.sigtimedwait({signal.SIGWINCH}, _SIZE_SECONDS)


def _take_terminal() -> None:
    """Move to a process group in the foreground, so that the terminal's keys reach the command once."""
    try:
        if os.isatty(0):
            os.setpgid(0, 0)
            # SIGTTOU is blocked here, as tcsetpgrp(3) wants it from a background process.
            os.tcsetpgrp(0, os.getpid())
    except OSError:
        pass  # a terminal that is not this session's sends it no keys


def _become(command: list[str]) -> None:
    """Turn this process, the child, into the command."""
    try:
        _take_terminal()
        if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
            # A pending one is about to arrive, and must end this process as it would end any other.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # Python ignores them, and its child would too
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write("buildr: cannot run %s: %s\n" % (command[0], error.strerror))
        sys.stderr.flush()
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _serve(child: int, waited: set[signal.Signals]) -> int:
    while True:
        status = _take(signal.sigwait(waited), child)
        if status is not None:
            return status


def _take(number: int, child: int) -> int | None:
    """Forward a signal; return the command's status once that is known."""
    if number == signal.SIGCHLD:
        return _reap(child)
    if number not in _OURS:
        try:
            os.kill(child, number)
        except ProcessLookupError:
            pass  # it has ended; its SIGCHLD is on the way
    return None


def _watch(child: int, waited: set[signal.Signals], ports: set[int]) -> int | None:
    """Serve while a server starts, and warn once if it is unreachable; return the command's status if it ends."""
    for seconds in _LOOKS:
        while True:
            # A signal starts the wait again: they are few, and the time need not be exact.
            found = signal.sigtimedwait(waited, seconds)
            if found is None:
                break
            status = _take(found.si_signo, child)
            if status is not None:
                return status
        for port in sorted(_unreachable(ports)):
            sys.stderr.write(
                "buildr: port %d is published, but the script listens on the container's loopback address, which is"
                " unreachable from outside: let it listen on 0.0.0.0\n" % port
            )
            sys.stderr.flush()
            ports.discard(port)
    return None


def _unreachable(ports: set[int]) -> set[int]:
    """Return those of the ports that are listened on at loopback addresses alone."""
    reached, found = listening()
    return ports & (found - reached)


def listening() -> tuple[set[int], set[int]]:
    """Return the TCP ports that are listened on at an address that is reachable from outside, and at a loopback one."""
    reached: set[int] = set()
    found: set[int] = set()
    for name in ("tcp", "tcp6"):
        try:
            with open("/proc/net/" + name, "rb", buffering=0) as file:
                lines = file.read(1 << 20).split(b"\n")[1:]
        except OSError:
            continue
        for line in lines:
            # proc(5): sl, local_address as hexadecimal words in host byte order, rem_address, state, ...
            fields = line.split()
            if len(fields) > 3 and fields[3] == b"0A":  # listens
                address, _, number = fields[1].partition(b":")
                port = int(number, 16)
                (found if _is_loopback(address) else reached).add(port)
    return reached, found


def _is_loopback(address: bytes) -> bool:
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    if packed == b"\0" * 15 + b"\1":
        return True  # ::1
    return packed[:-4] in (b"", b"\0" * 10 + b"\xff\xff") and packed[-4] == 127


def _reap(child: int) -> int | None:
    """Reap every process that has ended; return the command's status if it is among them."""
    result: int | None = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return result
        if pid == 0:
            return result
        if pid == child:
            result = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.stderr.write("buildr: there is no command to run\n")
        sys.exit(127)
    # Without tearing the interpreter down: nothing is open or buffered.
    os._exit(main(sys.argv[1:]))
