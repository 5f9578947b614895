"""The first process of a container that Buildr runs: starts the command, forwards signals, reaps, and ends as it ends.

A first process (PID 1) has no default signal handlers: Python as PID 1 ignores SIGTERM and cannot even be killed by
itself, so a script would behave otherwise inside than outside. With this program in front it is an ordinary
process, the same on every engine and wherever the image runs. Images name it as ENTRYPOINT.

Usage: python -IS init.py COMMAND [ARGUMENT ...]

It imports only what the interpreter has loaded anyway, `os` and `signal`: it is part of every start.
"""

from __future__ import annotations

import os
import signal
import sys

# Of these the kernel's default does what is expected; everything else is the command's.
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


# How long to wait for the size of a terminal; it comes within some hundredths of a second, if at all.
_SIZE_SECONDS = 0.5


def main(command: list[str]) -> int:
    """Run ``command`` as the only child that counts; return the status to end with.

    Returns:
        The command's exit status; 128 + n when signal n killed it; 127 when it is not found and 126 when it
        cannot be executed, as a shell has it (POSIX, Shell Command Language, 2.8.2).
    """
    waited = set(signal.valid_signals()) - _FAULTS
    # Blocked signals wait for `sigwait`, those that come before the command has started too.
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    # If whoever started this process ignores it, no child would be reported.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _await_size()
    child = os.fork()
    if child == 0:
        _become(command)
    return _serve(child, waited)


def _await_size() -> None:
    """Wait until the terminal, if there is one, has a size: the host can tell it only after the start."""
    try:
        size = os.get_terminal_size(0)
    except OSError:
        return  # no terminal
    if size == (0, 0):
        # SIGWINCH is blocked, so one that came before this line is not lost.
        signal.sigtimedwait({signal.SIGWINCH}, _SIZE_SECONDS)


def _take_terminal() -> None:
    """Get a process group of one's own, in the foreground: the terminal's keys reach the command once, not twice."""
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
            # What waits is about to arrive, and must end this process as it would end any other.
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
        number = signal.sigwait(waited)
        if number == signal.SIGCHLD:
            status = _reap(child)
            if status is not None:
                return status
        elif number not in _OURS:
            try:
                os.kill(child, number)
            except ProcessLookupError:
                pass  # it has ended; its SIGCHLD is on the way


def _reap(child: int) -> int | None:
    """Collect every process that has ended; return the command's status if it is among them."""
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
    # No need to tear the interpreter down: nothing is open and nothing is buffered.
    os._exit(main(sys.argv[1:]))
