"""The exit status of an operation, however it ends."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from buildr.errors import BuildrError
from buildr.host import console
from buildr.host.signals import Signals, Terminated
from buildr.host.surroundings import explained  # now: there may be no descriptor left for it later

if TYPE_CHECKING:
    from collections.abc import Callable

_FORCED = 128 + signal.SIGINT


def exit_status_of(
    operation: Callable[[Signals], int], *, leave: Callable[[int], NoReturn] | None = None
) -> int:
    """Run an operation with signal handlers in force; return the exit status that its end means.

    Errors of Buildr are printed to standard error.

    Args:
        operation: called with the handlers, which are installed while it runs.
        leave: ends the process with the status, by a SystemExit: then no interrupt ends it otherwise.

    Returns:
        The operation's status; that of the error; 0, or what the user wants instead, when the user cancelled; 128 + n when signal n ended it.
    """
    occupy_standard_streams()
    with Signals() as signals:
        status = _status(operation, signals)
        if leave is not None:
            leave(status)
    return status


def _status(operation: Callable[[Signals], int], signals: Signals) -> int:
    try:
        with signals.raising():
            return operation(signals)
    except KeyboardInterrupt:
        if signals.interrupts > 1:
            return _FORCED
        console.say("cancelled")
        return signals.cancelled_status
    except Terminated as end:
        return end.exit_code
    except BrokenPipeError:
        return _die_of_broken_pipe()
    except (BuildrError, OSError, RuntimeError, MemoryError, ImportError) as error:
        return _status_of_error(error)


def _status_of_error(error: Exception) -> int:
    reason = error if isinstance(error, BuildrError) else explained(error)
    if reason is None:
        raise error
    console.error(str(reason))
    return reason.exit_code


def occupy_standard_streams() -> None:
    """Open ``/dev/null`` for a standard stream that is closed.

    Otherwise the next thing that is opened, a connection to the engine say, would be that stream, and the guest's
    output would be written into it.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def _die_of_broken_pipe() -> int:
    """End like any Unix program whose reader has gone: by SIGPIPE, silently."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.stdout = None  # what is buffered has no reader either
    os.kill(os.getpid(), signal.SIGPIPE)
    return 128 + signal.SIGPIPE
