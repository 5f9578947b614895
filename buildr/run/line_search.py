"""Looks for a regular expression in lines of output, so that neither can hold up the host.

``re`` may take hours on one short line: it tries every way to cut a row of ``a`` up for ``(a+)+b``. An expression in which nothing
repeats and nothing branches cannot do so, and is matched in this process. Any other is matched in a process of its own, which the
kernel ends when it has had its time.

Usage: python -IS line_search.py SECONDS PATTERN, with the lines as standard input.
"""

from __future__ import annotations

import os
import re
import resource
import sys

TYPE_CHECKING = False  # as type checkers know it: importing typing would cost the process more than most searches
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECONDS = 5
"""Of processor time for one search; with an ordinary expression that is enough for some hundred megabytes."""

_MAY_BE_SLOW = frozenset("*+?{|(")
_FOUND, _MISSING = 0, 3


class SearchError(Exception):
    """A search that did not come to its end; the text says why."""


def any_matches(pattern: str, batches: Iterable[Sequence[str]]) -> bool:
    """Whether ``re.search`` finds a pattern in one of some lines; those after it are not asked for.

    Args:
        pattern: a valid regular expression.
        batches: the lines, as they come; none has a line break.

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
            # A session of its own: nothing that is typed on the terminal is meant for it.
            process = process or subprocess.Popen(
                [sys.executable, "-IS", os.path.abspath(__file__), str(SECONDS), pattern],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            if process.stdin is None or not _sent(process.stdin.fileno(), lines):
                break  # it has its answer, or has been ended
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
    """Send lines to the process; return whether it takes more."""
    left = memoryview("".join(f"{line}\n" for line in lines).encode())
    try:
        while left:
            left = left[os.write(pipe, left) :]
    except BrokenPipeError:
        return False
    return True


def main(seconds: int, pattern: str) -> int:
    """Look for a pattern in the lines of standard input; return the status."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    # The kernel's own limit: `re` lets no handler of a signal run until it is done, and no other thread.
    soft = seconds if most == resource.RLIM_INFINITY else min(seconds, most)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, most))
    matches = re.compile(pattern).search
    with open(0, encoding="utf-8", newline="\n") as lines:
        return _FOUND if any(matches(line.removesuffix("\n")) for line in lines) else _MISSING


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
