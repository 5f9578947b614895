"""How a decorated script ends: with the guest's status, or with that of an error."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, NoReturn

from buildr.host import console

if TYPE_CHECKING:
    from buildr.errors import BuildrError


def leave(status: int) -> NoReturn:
    """End the process with a status, from whichever thread this is.

    Raises:
        SystemExit: always. Off the main thread Python swallows it, so there the status is also kept for the end
            of the process.
    """
    if threading.current_thread() is not threading.main_thread():
        _end_with(status)
    raise SystemExit(status)


def fail(error: BuildrError) -> NoReturn:
    """Print an error and end the process with its exit code.

    Raises:
        SystemExit: always.
    """
    console.error(str(error))
    leave(error.exit_code)


def _end_with(status: int) -> None:
    import atexit
    import os

    def end() -> None:
        # Exit functions cannot set a status otherwise; the remaining ones run first, as they would have.
        atexit.unregister(end)
        atexit._run_exitfuncs()  # noqa: SLF001 - the documented module has no other way to run them
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(status)

    atexit.register(end)
