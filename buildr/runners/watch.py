"""Reruns a program when files change: ``buildr run --watch``.

A thread checks for changes; the main thread runs the guest. On a change the guest is ended as by `buildr stop`:
SIGTERM, the grace period, SIGKILL.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from buildr.errors import BuildrError
from buildr.host import console
from buildr.host.signals import block_signals
from buildr.runners.watched import changed, look, refuse_own_output, view

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.config import Settings
    from buildr.host.signals import Signals
    from buildr.plan.entry import Entry
    from buildr.runners.watched import State, View

_LEAST_PAUSE_SECONDS = 0.2  # between two checks
_MOST_PAUSE_SECONDS = 1.0
_SHARE = 0.05  # maximum share of a processor for checks
# Time without another change until a change counts: editors and git write several files.
_QUIET_SECONDS = 0.1
_MOST_QUIET_SECONDS = 3.0  # until it counts even if changes continue
_NAMED = 3  # the number of changed files to name


class Watcher:
    """The thread that checks for changes; a context manager.

    Args:
        signals: the handlers of the action, which end a running guest.
    """

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._lock = threading.Lock()  # guards the shared state and the checks
        self._seen: View | None = None
        self._known: State | None = None
        self._changed: tuple[str, ...] | None = None
        self._running = False
        self._closing = threading.Event()
        self._notified = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="buildr-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()

    @property
    def watches(self) -> bool:
        """Whether a view is being watched."""
        return self._seen is not None

    def begin(self, seen: View) -> None:
        """Watch a view from now on; the caller is about to build and run it.

        Raises:
            ContextError: output of this process would count as a change.
        """
        with self._lock:
            if seen != self._seen:
                known = look(seen)
                refuse_own_output(known)
                self._seen, self._known = seen, known
            self._changed = None
            self._notified.clear()
            self._running = True

    def end(self) -> None:
        """Note that the run is over, so that no guest needs to be ended."""
        with self._lock:
            self._running = False

    def wait(self) -> tuple[str, ...]:
        """Wait for a change since `begin`; describe it."""
        self._notified.wait()
        with self._lock:
            self._notified.clear()
            found, self._changed = self._changed, None
        return found or ()

    @property
    def has_changes(self) -> bool:
        """Whether `wait` would return immediately."""
        return self._notified.is_set()

    def _serve(self) -> None:
        block_signals()
        pause = _LEAST_PAUSE_SECONDS
        while not self._closing.wait(pause):
            with self._lock:
                if self._seen is None or self._known is None:
                    continue
                began = time.thread_time()
                new = look(self._seen)
                pause = (time.thread_time() - began) / _SHARE
                if not new.is_as(self._known):
                    self._settle(self._seen, self._known, new)
            pause = min(max(pause, _LEAST_PAUSE_SECONDS), _MOST_PAUSE_SECONDS)

    def _settle(self, seen: View, old: State, new: State) -> None:
        """Wait for the end of a change, and report it unless it was reverted."""
        until = time.monotonic() + _MOST_QUIET_SECONDS
        while time.monotonic() < until and not self._closing.wait(_QUIET_SECONDS):
            last, new = new, look(seen)
            if new.is_as(last):
                break
        if new.is_as(old):
            return
        self._known = new
        self._changed = (*(self._changed or ()), *changed(old, new, seen.files))
        self._notified.set()
        if self._running:
            self._running = False  # request the end only once
            self._signals.request_end()


def run_watching(
    find: Callable[[], tuple[Entry, Settings]],
    run: Callable[[Entry, Settings], int],
    signals: Signals,
) -> int:
    """Run a program, and again whenever it changes, until the user ends it.

    Args:
        find: returns the current program and options.
        run: builds and runs it.
        signals: the installed handlers.

    Returns:
        The status of the guest that the user's signal ended; 0 after Ctrl+C.

    Raises:
        BuildrError: it cannot run from the start. Later errors are printed, and the next change is awaited.
    """
    say: Callable[[str], None] = console.say
    with Watcher(signals) as watcher:
        while True:
            status = None
            try:
                entry, settings = find()
                if settings.package.quiet:
                    say = console.say_nothing
                watcher.begin(view(entry, settings.package, settings.runtime))
                status = run(entry, settings)
            except BuildrError as error:
                if not watcher.watches:
                    raise
                if signals.interrupts or signals.ending:
                    raise
                console.error(str(error))
            watcher.end()
            signals.release()
            if status is not None and (signals.interrupts or signals.ending):
                return status
            if not watcher.has_changes:
                ended = "That" if status is None else f"{entry.stem} ended with status {status}. It"
                say(f"{ended} runs again when a file changes; Ctrl+C ends the watch")
            say(f"running again: {_listed(watcher.wait())}")


def _listed(names: tuple[str, ...]) -> str:
    shown = list(dict.fromkeys(names))
    if not shown:
        return "something has changed"
    more = len(shown) - _NAMED
    return ", ".join(shown[:_NAMED]) + (f" and {more} more" if more > 0 else "") + " changed"
