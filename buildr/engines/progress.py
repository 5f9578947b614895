"""Progress of pulls, builds and pushes on standard error: a transient line on a terminal, one line per step elsewhere."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Literal, TypeAlias

from buildr.engines.build_words import BuildWords
from buildr.host import console
from buildr.host.signals import block_signals

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.status import Status

    from buildr.engines.records import Event

Verbosity: TypeAlias = Literal["quiet", "normal", "verbose"]

_QUICK_SECONDS = 0.5  # shorter waits are not worth a progress line and the import of its library
_SLOW_SECONDS = 2.0  # shorter builds are not worth a line that stays
# Control sequences of terminals: CSI (colours, the cursor) and OSC (titles, links), ECMA-48 5.4 and 5.6.
_SEQUENCES = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"


class Progress:
    """Shows events live; a context manager.

    Attributes:
        on_image: called with the images of build steps.
        closing: the result of a build, such as ``built hello``: printed with its duration at the end of a long one. Nothing stays on
            the screen until it is set.

    Args:
        title: what is being built or moved, such as ``hello``.
        verbosity: ``verbose`` prints every line of a build, ``normal`` shows a progress line on a terminal and prints one line per
            step elsewhere, ``quiet`` shows nothing.
    """

    def __init__(self, title: str, verbosity: Verbosity = "normal") -> None:
        self.on_image: Callable[[str], None] = console.say_nothing
        self._title = title
        self._verbosity = verbosity
        self._moving = verbosity == "normal" and console.is_terminal()
        self._status: Status | None = None
        self._begun = time.monotonic()
        self.closing = ""
        self._words = BuildWords()
        self._unsaid: list[str] = []
        self._said = ""
        self._lock = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> Self:
        """Begin."""
        if self._moving:
            # Shows silent work, too: a scan of many files, or a step without output.
            threading.Thread(target=self._on_time, name="buildr-progress", daemon=True).start()
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        """Erase the progress line, and report the end of a long build."""
        self._over.set()
        with self._lock:
            if self._status is not None:
                self._status.stop()
                self._status = None
        seconds = time.monotonic() - self._begun
        is_reported = self.closing and failure is None and self._verbosity != "quiet"
        if is_reported and seconds > _SLOW_SECONDS:
            console.say(f"{self.closing} in {_duration(seconds)}")

    def __call__(self, event: Event) -> None:
        """Show one event; pass one about an image to `on_image`."""
        if event.kind == "image":
            self.on_image(event.text)
            return
        with self._lock:
            self._words.take(event)
            if self._moving and time.monotonic() - self._begun > _QUICK_SECONDS:
                self._show()
        if self._verbosity == "verbose" and event.kind != "upload":
            console.say(_whole(event))
        elif self._verbosity == "normal" and not self._moving and event.kind == "step":
            self._say_step()

    def _say_step(self) -> None:
        """Print the current step where there is no progress line; those of a short build are not worth it."""
        if self._words.step != self._said:
            self._said = self._words.step
            self._unsaid.append(f"{self._title}: {_plain(self._said)}")
        if self.closing and time.monotonic() - self._begun > _SLOW_SECONDS:
            for line in self._unsaid:
                console.say(line)
            self._unsaid.clear()

    def beside(self, say: Callable[[str], None]) -> Callable[[str], None]:
        """Return a function that prints messages during progress: it clears the progress line and redraws it below.

        Args:
            say: prints lines.
        """

        def tell(text: str) -> None:
            with self._lock:
                if self._status is None:
                    say(text)
                    return
                self._status.stop()
                say(text)
                self._status.start()

        return tell

    def _on_time(self) -> None:
        block_signals()
        self._over.wait(_QUICK_SECONDS)
        with self._lock:
            if not self._over.is_set():
                self._show()

    def _show(self) -> None:
        # Imported when something takes long enough to be shown: half a second hides it.
        from rich.console import Console

        if self._status is None:
            self._status = Console(stderr=True).status(self)
            self._status.start()

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the progress line at the current width of the terminal; it ends with the time so far."""
        from rich.text import Text

        parts = filter(None, (self._words.step, self._words.detail))
        activity = " · ".join(map(_plain, parts))
        end = f" · {_clock(time.monotonic() - self._begun)}"
        line = Text(f"{self._title}: {activity}" if activity else self._title)
        line.truncate(max(1, options.max_width - len(end)), overflow="ellipsis")
        yield line.append(end)


def _whole(event: Event) -> str:
    """Return all that an event says."""
    if event.kind == "step":
        return f"step {event.current}/{event.total} {event.text}"
    if event.kind == "log":
        return f"  {event.text}"
    done = f" {event.current / 1e6:.1f}/{event.total / 1e6:.1f} MB" if event.total else ""
    return event.text + done


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _plain(text: str) -> str:
    """Return build output as one line without control characters and logins."""
    from buildr.host.confidential import without_logins

    line = without_logins(" ".join(re.sub(_SEQUENCES, "", text).split()))
    return "".join(character for character in line if character.isprintable())
