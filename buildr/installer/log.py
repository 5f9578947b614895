"""The log of an installation, without secrets and control characters."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from buildr.engines.records import Event
from buildr.errors import BuildError, Message
from buildr.host.confidential import without_logins
from buildr.host.limits import LINE, LINE_CHARACTERS, LOG_LINES
from buildr.installer.advice import advise, plain

if TYPE_CHECKING:
    from buildr.engines.progress import Progress
    from buildr.installer.secrets import Secrets

__all__ = ["Log"]


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
        self._tail: deque[str] = deque(maxlen=LOG_LINES)
        self._partial = bytearray()
        self._cache = cache
        what = "the cache of wheels" if cache else "secrets"
        progress(Event(kind="step", text=f"pip install, with {what}", current=1, total=1))

    def add(self, data: bytes) -> None:
        """Process a piece of output."""
        # Only complete lines, so that no secret is shown in two halves.
        begun = 0
        while (end := data.find(b"\n", begun)) >= 0:
            self._keep(data[begun : min(end, begun + LINE)])
            self.flush()
            begun = end + 1
        self._keep(data[begun : begun + LINE])

    def flush(self) -> None:
        """Report a line, even an incomplete one."""
        partial = bytes(self._partial)
        self._partial.clear()
        self._say(partial)

    def _keep(self, data: bytes) -> None:
        self._partial += data[: LINE - len(self._partial)]  # of a longer line the rest is dropped

    def failed(self, status: int) -> BuildError:
        """Return the error of an installation that failed."""
        log = "\n".join(self._tail)
        found = advise(log, self._base_image)
        hint = [log, "\n" if log and found.hint else "", found.hint]
        if self._cache and f"{self._cache}/" in log:
            hint.append("\nIf a file of the cache is damaged: `buildr prune --cache` removes it.")
        return BuildError(
            f"dependencies cannot be installed: {found.reason or f'pip ended with status {status}'}",
            hint=Message(*hint),
        )

    def _say(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        # A progress bar overwrites itself. The end of a truncated line is not shown: a secret may be cut there.
        text = plain(text if len(line) == LINE else text.rpartition("\r")[2]).rstrip()
        if text:
            shown = without_logins(self._secrets.hide(text))[:LINE_CHARACTERS]
            self._tail.append(shown)
            self._progress(Event(kind="log", text=shown))
