"""The log of an installation in a container of its own: without secrets, and without what moves a terminal's cursor."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from buildr.engines.records import Event
from buildr.errors import BuildError
from buildr.host.confidential import without_logins
from buildr.installer.advice import advise, plain

if TYPE_CHECKING:
    from buildr.engines.progress import Progress
    from buildr.installer.secrets import Secrets

__all__ = ["Log"]

_TAIL = 40  # lines of pip's log that an error repeats
_LONGEST = 1 << 13  # characters of one line that are shown
_LONGEST_LINE = 1 << 16  # bytes of one line that are kept until it ends


class Log:
    """pip's log: shown line by line without secrets; the last lines are kept for an error.

    Args:
        secrets: what is hidden.
        progress: shows the lines.
        cache: the folder of the cache that pip may use; ``None``: there is none.
        base_image: the reference of the base image, for the advice when pip fails.
    """

    def __init__(
        self, secrets: Secrets, progress: Progress, cache: str | None, base_image: str
    ) -> None:
        self._base_image = base_image
        self._secrets = secrets
        self._progress = progress
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._partial = b""
        self._cache = cache
        what = "the cache of wheels" if cache else "secrets"
        progress(Event(kind="step", text=f"pip install, with {what}", current=1, total=1))

    def add(self, data: bytes) -> None:
        """Take output, cut anywhere."""
        # Whole lines alone, so that no secret is shown in two halves.
        head, *rest = data.split(b"\n")
        if len(self._partial) < _LONGEST_LINE:
            self._partial += head[:_LONGEST_LINE]  # of a longer line the rest is dropped
        for line in rest:
            self._say(self._partial)
            self._partial = line[:_LONGEST_LINE]

    def flush(self) -> None:
        """Report a line that has no end yet."""
        partial, self._partial = self._partial, b""
        self._say(partial)

    def failed(self, status: int) -> BuildError:
        """Return the error of an installation that failed."""
        log = "\n".join(self._tail)
        found = advise(log, self._base_image)
        hint = [log, found.hint]
        if self._cache and f"{self._cache}/" in log:
            hint.append("If a file of the cache is damaged: `buildr prune --cache` removes it.")
        return BuildError(
            f"dependencies cannot be installed: {found.reason or f'pip ended with status {status}'}",
            hint="\n".join(filter(None, hint)),
        )

    def _say(self, line: bytes) -> None:
        text = plain(line.decode(errors="replace").rstrip().rpartition("\r")[2]).rstrip()
        if text:
            shown = without_logins(self._secrets.hide(text))[:_LONGEST]
            self._tail.append(shown)
            self._progress(Event(kind="log", text=shown))
