"""The end of a decorated script, with the guest's status or that of an error."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, NoReturn

from buildr.host import console

if TYPE_CHECKING:
    from types import TracebackType

    from buildr.errors import BuildrError


def leave(status: int) -> NoReturn:
    """End the process with a status, from any thread.

    Raises:
        SystemExit: always. Off the main thread Python swallows it, so there the status is also kept for the end
            of the process.
    """
    if threading.current_thread() is not threading.main_thread():
        _end_with(status)
    elif sys.flags.inspect and not sys.flags.interactive:
        _leave_without_prompt()
    raise SystemExit(status)


def fail(error: BuildrError) -> NoReturn:
    """Print an error and end the process with its exit code.

    Raises:
        SystemExit: always.
    """
    console.error(str(error))
    leave(error.exit_code)


def _leave_without_prompt() -> None:
    """Make a SystemExit end the process even under ``PYTHONINSPECT``.

    Python would print the exception and open a prompt. That is meant for scripts that fail, and this one ended in its
    container as intended. `python -i` still opens a prompt.
    """
    previous = sys.excepthook

    def end(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if not isinstance(error, SystemExit):
            previous(kind, error, traceback)
            return
        import atexit
        import os

        atexit._run_exitfuncs()  # noqa: SLF001 - as in `_end_with`
        _flush()
        os._exit(error.code if isinstance(error.code, int) else error.code is not None)

    sys.excepthook = end


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _end_with(status: int) -> None:
    import atexit
    import os

    def end() -> None:
        # Exit functions cannot set the status in another way. Run the remaining ones first.
        atexit.unregister(end)
        atexit._run_exitfuncs()  # noqa: SLF001 - there is no public way to run them
        _flush()
        os._exit(status)

    atexit.register(end)
