"""Progress of pulls, builds and pushes on standard error: a transient line on a terminal, nothing elsewhere."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Literal, TypeAlias, assert_never

from buildr.host import console
from buildr.host.signals import block_signals

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from rich.status import Status

    from buildr.engines.records import Event

Verbosity: TypeAlias = Literal["quiet", "normal", "verbose"]

_QUICK_SECONDS = 0.5  # shorter waits are not worth a progress line and the import of its library
_WIDTH = 100  # the maximum width of a progress line, in columns
# Control sequences of terminals: CSI (colours, the cursor) and OSC (titles, links), ECMA-48 5.4 and 5.6.
_SEQUENCES = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"


class Progress:
    """Shows events live; a context manager.

    Attributes:
        on_image: called with the images of build steps.

    Args:
        title: the current activity, such as ``building hello``.
        verbosity: ``verbose`` prints every line of a build, ``normal`` shows a progress line on a terminal,
            ``quiet`` shows nothing.
    """

    def __init__(self, title: str, verbosity: Verbosity = "normal") -> None:
        self.on_image: Callable[[str], None] = console.say_nothing
        self._title = title
        self._verbosity = verbosity
        self._moving = verbosity == "normal" and console.is_terminal()
        self._status: Status | None = None
        self._begun = time.monotonic()
        self._step = ""
        self._text_now = title
        self._lock = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> Self:
        """Begin."""
        if self._moving:
            # Shows silent work, too: a scan of many files, or a step without output.
            threading.Thread(target=self._on_time, name="buildr-progress", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the progress line."""
        self._over.set()
        with self._lock:
            if self._status is not None:
                self._status.stop()
                self._status = None

    def __call__(self, event: Event) -> None:
        """Show one event; pass an image to `on_image`."""
        if event.kind == "image":
            self.on_image(event.text)
            return
        text = self._text(event)
        if self._verbosity == "verbose" and event.kind != "upload":
            console.say(text)
        elif self._moving:
            with self._lock:
                self._text_now = f"{self._title}: {text}"
                if time.monotonic() - self._begun > _QUICK_SECONDS:
                    self._show(self._text_now)

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
                self._show(self._text_now)

    def _text(self, event: Event) -> str:
        assert event.kind != "image"  # noqa: S101 - the caller handles these
        if event.kind == "step":
            self._step = f"step {event.current}/{event.total} {event.text}"
            return self._step
        if event.kind == "log":
            return (
                f"  {event.text}"
                if self._verbosity == "verbose"
                else f"{self._step[:40]} | {event.text}"
            )
        if event.kind == "upload":
            return f"sending the context, {event.current / 1e6:.1f} MB"
        if event.kind == "transfer":
            done = f" {event.current / 1e6:.1f}/{event.total / 1e6:.1f} MB" if event.total else ""
            return event.text + done
        assert_never(event.kind)

    def _show(self, text: str) -> None:
        # Imported only when something takes long enough, so that the import delays nothing else.
        from rich.console import Console
        from rich.text import Text

        if self._status is None:
            self._status = Console(stderr=True).status("")
            self._status.start()
        shown = Text(_plain(text))
        room = self._status.console.width - 2  # minus the spinner
        shown.truncate(min(_WIDTH, room), overflow="ellipsis")
        self._status.update(shown)


def _plain(text: str) -> str:
    """Return build output as one line without control characters and logins."""
    from buildr.host.confidential import without_logins

    line = without_logins(" ".join(re.sub(_SEQUENCES, "", text).split()))
    return "".join(character for character in line if character.isprintable())
