"""Running a decorated script inside a test, as ``python script`` would run it."""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
import tempfile
import traceback
from typing import IO, TYPE_CHECKING, Any

from msgspec import Struct

from buildr.host import start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class ScriptResult(Struct, frozen=True, kw_only=True):
    """How a script ended, and what it wrote."""

    status: int
    """The exit status that the process would have had."""
    stdout: bytes
    stderr: bytes
    """With Buildr's own lines, ``buildr: …``."""


def run_script(script: str | os.PathLike[str], *arguments: str, stdin: bytes = b"") -> ScriptResult:
    """Run a script as the main program, in this process, with standard streams of its own.

    Call it inside `using`. Modules that it imports from its own directory are forgotten afterwards, so that the
    next script finds its own.

    Args:
        script: path of the script, relative to the current directory.
        arguments: its ``sys.argv[1:]``.
        stdin: what it can read.

    Raises:
        FileNotFoundError: there is no such script.
    """
    path = os.fspath(script)
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no script {path}")
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(stdin)
        files[0].seek(0)
        start.record()
        with _streams(files), _program(path, arguments):
            status = _status(path)
        for file in files[1:]:
            file.seek(0)
        return ScriptResult(status=status, stdout=files[1].read(), stderr=files[2].read())


def _status(path: str) -> int:
    """Run; return the status that Python would end with.

    https://docs.python.org/3/library/sys.html#sys.exit
    """
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        if end.code is None:
            return 0
        if isinstance(end.code, int):
            return end.code & 0xFF
        sys.stderr.write(f"{end.code}\n")
        return 1
    except Exception:  # noqa: BLE001 - as the interpreter does with whatever a script raises
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def _streams(files: Sequence[IO[bytes]]) -> Iterator[None]:
    """Replace the standard streams by files: the descriptors, and those of `sys`."""
    ours = (sys.stdin, sys.stdout, sys.stderr)
    for stream in ours[1:]:
        stream.flush()
    with contextlib.ExitStack() as stack:
        for number, file in enumerate(files):
            with contextlib.suppress(
                OSError
            ):  # one that is closed stays open on the file: harmless
                saved = os.dup(number)
                stack.callback(os.close, saved)
                stack.callback(os.dup2, saved, number)
            os.dup2(file.fileno(), number)
        theirs: list[Any] = [
            stack.enter_context(open(number, mode, closefd=False))
            for number, mode in enumerate(("r", "w", "w"))
        ]
        sys.stdin, sys.stdout, sys.stderr = theirs
        try:
            yield
        finally:
            sys.stdin, sys.stdout, sys.stderr = ours


@contextlib.contextmanager
def _program(path: str, arguments: tuple[str, ...]) -> Iterator[None]:
    """Let a script take the place of the running program."""
    directory = path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path))
    argv, search, line = sys.argv[:], sys.path[:], sys.orig_argv
    known = set(sys.modules)
    sys.argv[:] = [path, *arguments]
    sys.orig_argv = [sys.executable, path, *arguments]
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        sys.argv[:], sys.path[:], sys.orig_argv = argv, search, line
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if os.path.abspath(file).startswith(f"{os.path.abspath(directory)}/"):
                del sys.modules[name]
