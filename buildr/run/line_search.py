"""Searches lines of output for a regular expression, with a time limit.

``re`` may take hours for one short line, since it tries every way to split a row of ``a`` for ``(a+)+b``. An expression
without repetitions and branches is safe, and is matched in this process. Others are matched in a separate process with
a limit of processor time.

Usage: python -IS line_search.py SECONDS PATTERN, with the lines as standard input.
"""

from __future__ import annotations

import os
import re
import resource
import sys

TYPE_CHECKING = False  # for type checkers: importing typing would cost more than most searches
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECONDS = 5
"""The limit of processor time for one search; an ordinary expression searches some hundred megabytes in it."""

_MAY_BE_SLOW = frozenset("*+?{|(")
_FOUND, _MISSING = 0, 3


class SearchError(Exception):
    """A search that was not completed; the message says why."""


def any_matches(pattern: str, batches: Iterable[Sequence[str]]) -> bool:
    """Whether ``re.search`` finds a pattern in one of the lines; later lines are not consumed.

    Args:
        pattern: a valid regular expression.
        batches: the lines, in batches; without line breaks.

    Raises:
        SearchError: it takes too long, or no process can be started for it.
    """
    if _MAY_BE_SLOW.isdisjoint(pattern):
        matches = re.compile(pattern).search
        return any(matches(line) for lines in batches for line in lines)
    return _elsewhere(pattern, batches)


def _elsewhere(pattern: str, batches: Iterable[Sequence[str]]) -> bool:
    import contextlib
    import subprocess

    process = None
    try:
        for lines in batches:
            if not lines:
                continue
            # A separate session, so that keys on the terminal do not reach it.
            process = process or subprocess.Popen(
                [sys.executable, "-IS", os.path.abspath(__file__), str(SECONDS), pattern],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            if process.stdin is None or not _sent(process.stdin.fileno(), lines):
                break  # it has found a match, or was killed
        if process is None:
            return False
        with contextlib.suppress(BrokenPipeError):
            process.communicate()
        status = process.wait()
    except OSError as error:
        raise SearchError(f"no process can be started for it: {error.strerror}") from None
    finally:
        if process is not None:
            process.kill()
            process.wait()
    if status < 0:
        raise SearchError(f"it took more than {SECONDS} s of processor time")
    if status not in (_FOUND, _MISSING):
        raise SearchError(f"its process ended with status {status}")
    return status == _FOUND


def _sent(pipe: int, lines: Sequence[str]) -> bool:
    """Send lines to the process; return whether it accepts more."""
    left = memoryview("".join(f"{line}\n" for line in lines).encode())
    try:
        while left:
            left = left[os.write(pipe, left) :]
    except BrokenPipeError:
        return False
    return True


def main(seconds: int, pattern: str) -> int:
    """Search the lines of standard input for a pattern; return the status."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    # A limit of the kernel, since `re` runs no signal handlers or other threads until it is done.
    soft = seconds if most == resource.RLIM_INFINITY else min(seconds, most)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, most))
    matches = re.compile(pattern).search
    with open(0, encoding="utf-8", newline="\n") as lines:
        return _FOUND if any(matches(line.removesuffix("\n")) for line in lines) else _MISSING


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
