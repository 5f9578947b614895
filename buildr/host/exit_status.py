"""Runs an operation and determines its exit status."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from buildr.errors import BuildrError
from buildr.host import console
from buildr.host.signals import Signals, Terminated
from buildr.host.surroundings import (
    explained,
)  # imported now, since there may be no free descriptor later

if TYPE_CHECKING:
    from collections.abc import Callable

_FORCED = 128 + signal.SIGINT


def exit_status_of(
    operation: Callable[[Signals], int], *, leave: Callable[[int], NoReturn] | None = None
) -> int:
    """Run an operation with signal handlers; return its exit status.

    Errors of Buildr are printed to standard error.

    Args:
        operation: called with the handlers, which are installed while it runs.
        leave: ends the process with the status, by a SystemExit, so that later interrupts do not change the status.

    Returns:
        The operation's status; that of the error; 0, or the configured status, if the user cancelled; 128 + n if signal
        n ended it.
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

    Otherwise the next opened file, such as a connection to the engine, would become that stream and receive the guest's
    output.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def _die_of_broken_pipe() -> int:
    """End silently by SIGPIPE, like any Unix program without a reader."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.stdout = None  # buffered output has no reader either
    os.kill(os.getpid(), signal.SIGPIPE)
    return 128 + signal.SIGPIPE
