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

# The published TCP ports of the container, separated by commas; not passed to the command. With the word RELAY,
# connections are forwarded to servers that listen only on loopback.
PUBLISHED = "BUILDR_PUBLISHED_PORTS"
RELAY = "relay"

# Requests a line about files that are lost with the container: ``always``, or ``success`` if failed containers are
# kept; not passed to the command.
NOT_KEPT = "BUILDR_NOT_KEPT"

# The kernel's clock for files lags behind by up to one tick, in seconds.
_TICK = 0.02


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
    published = os.environ.pop(PUBLISHED, "").split(",")
    ports = {int(port) for port in published if port.isdigit()}
    about_files = os.environ.pop(NOT_KEPT, "")
    since = time.time() - _TICK
    _beside("surroundings").settle()
    child = os.fork()
    if child == 0:
        _become(command)
    if ports:
        _look_after(ports, relay=RELAY in published)
    ended = _serve(child, waited)
    killed = os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else 0
    status = 128 + killed if killed else os.WEXITSTATUS(ended)
    if status or about_files:
        _remark(status, killed, since if about_files == "always" or not status else None)
    return status


def _beside(name: str) -> Any:
    """Load a file of this folder, which is on no search path: the command's modules must not hide it."""
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path.append(folder)
    try:
        return __import__(name)
    finally:
        sys.path.remove(folder)


def _remark(status: int, killed: int, since: float | None) -> None:
    """Report what the command's exit status does not show.

    Args:
        status: the command's.
        killed: the signal that killed it; 0: none.
        since: when it was started, if files that it has written are to be named.
    """
    remarks = _beside("remarks")
    if status:
        remarks.say(remarks.of_memory() or remarks.of_signal(killed))
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
    """Forward signals and reap until the command has ended; return its wait status."""
    while True:
        status = _take(signal.sigwait(waited), child)
        if status is not None:
            return status


def _take(number: int, child: int) -> int | None:
    """Forward a signal; return the command's wait status once that is known."""
    if number == signal.SIGCHLD:
        return _reap(child)
    if number not in _OURS:
        try:
            os.kill(child, number)
        except ProcessLookupError:
            pass  # it has ended; its SIGCHLD is on the way
    return None


def _look_after(ports: set[int], *, relay: bool) -> None:
    """Start the process that looks after the published ports; it ends when this one ends.

    Args:
        ports: the ports.
        relay: whether connections are passed on to servers that listen on loopback alone.
    """
    end, ours = os.pipe()
    if os.fork():
        os.close(end)
        return  # what is ours stays open as long as this process is there
    try:
        os.close(ours)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1):
            os.dup2(null, stream)
        if relay:
            _beside("ports").relay(ports, _beside("gate").pass_on, end)
        else:
            _beside("ports").report(ports, end)
    finally:
        os._exit(0)


def _reap(child: int) -> int | None:
    """Reap every process that has ended; return the command's wait status if it is among them."""
    result: int | None = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return result
        if pid == 0:
            return result
        if pid == child:
            result = status


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.stderr.write("buildr: there is no command to run\n")
        sys.exit(127)
    # Without tearing the interpreter down: nothing is open or buffered.
    os._exit(main(sys.argv[1:]))
