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

# Names the published TCP ports of the container, separated by commas; the command does not see it.
PUBLISHED = "BUILDR_PUBLISHED_PORTS"

# When to look whether somebody listens on one of them where nobody outside the container can come, in seconds from
# the last look: a server that starts slowly is seen, too.
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
    child = os.fork()
    if child == 0:
        _become(command)
    if ports:
        status = _watch(child, waited, ports)
        if status is not None:
            return status
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
    """Serve while a server starts, and say so once if it listens in vain; return the command's status if it ends."""
    for seconds in _LOOKS:
        while True:
            # A signal starts the wait again: they are few, and the time need not be exact.
            found = signal.sigtimedwait(waited, seconds)
            if found is None:
                break
            status = _take(found.si_signo, child)
            if status is not None:
                return status
        for port in sorted(_in_vain(ports)):
            sys.stderr.write(
                "buildr: port %d is published, but the script listens on the loopback address of the container, where"
                " nobody from outside can come: let it listen on 0.0.0.0\n" % port
            )
            sys.stderr.flush()
            ports.discard(port)
    return None


def _in_vain(ports: set[int]) -> set[int]:
    """Return those of the ports on which somebody listens, but only on loopback addresses."""
    reached, found = listening()
    return ports & (found - reached)


def listening() -> tuple[set[int], set[int]]:
    """Return the TCP ports on which somebody listens: on an address that is reachable from outside, and on a loopback one."""
    reached: set[int] = set()
    found: set[int] = set()
    for name in ("tcp", "tcp6"):
        try:
            with open("/proc/net/" + name, "rb", buffering=0) as file:
                lines = file.read(1 << 20).split(b"\n")[1:]
        except OSError:
            continue
        for line in lines:
            # proc(5): sl, local_address as hexadecimal words in the order of this machine, rem_address, state, ...
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
