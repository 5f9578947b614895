"""Running again when something changes: ``buildr run --watch``.

What decides is what decides a build: the digest of the files that travel, from the index (`buildr.context.index`), which
looks at the status of each and reads what has another one. So a file that is ignored changes nothing, whatever its name
is, and no list of patterns has to say once more what belongs to a project. Beside it a few files are watched that decide
options or dependencies and may not travel themselves, such as ``.env``. docs/decisions.md says why nothing is asked of the kernel.

A thread looks; the main thread runs the guest. On a change the guest is asked to end as `buildr stop` asks it: SIGTERM,
its grace, SIGKILL.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from buildr.dependencies import SOURCES
from buildr.errors import BuildrError, ContextError
from buildr.host import console
from buildr.host.signals import block_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from buildr.config import Settings
    from buildr.context.index import Snapshot
    from buildr.host.signals import Signals
    from buildr.options import Package, Runtime
    from buildr.plan.entry import Entry
    from buildr.plan.project import Project

_LEAST_PAUSE_SECONDS = 0.2  # between two looks
_MOST_PAUSE_SECONDS = 1.0
_SHARE = 0.05  # of a processor that looking may take, while nothing changes
# Without another change, until a change counts: editors and git write several files.
_QUIET_SECONDS = 0.1
_MOST_QUIET_SECONDS = 3.0  # until it counts although changes go on
_NAMED = 3  # changed files that are named

# What can decide options or dependencies, wherever an ignore file leaves it out.
_DECIDING = (
    *(".containerignore", ".dockerignore", ".python-version"),
    *(file for _, file in SOURCES if file),
)


class View(Struct, frozen=True, kw_only=True):
    """What is looked at."""

    project: Project
    files: tuple[str, ...]
    """Absolute paths of files that matter whether or not they travel."""


class State(Struct, frozen=True, kw_only=True, eq=False):
    """How it looks at one time."""

    tree: Snapshot | None
    """The context; ``None`` while it cannot be read."""
    rest: tuple[object, ...]
    """All else, to be compared."""

    def is_as(self, other: State) -> bool:
        """Whether nothing has changed between the two."""
        if self.tree is None or other.tree is None:
            return self.tree is other.tree and self.rest == other.rest
        return self.tree.digest == other.tree.digest and self.rest == other.rest


def view(entry: Entry, package: Package, runtime: Runtime) -> View:
    """Return what decides a run of a program.

    Raises:
        BuildrError: it cannot run as it is; see `buildr.plan.project.plan`.
    """
    from buildr.plan.project import plan

    # As if it travelled, where the source is mounted, too.
    project = plan(entry, package, env_files=runtime.env_file)
    context = project.placement.context
    files = [os.path.join(context, name) for name in _DECIDING]
    files += [os.path.abspath(os.path.expanduser(path)) for path in runtime.env_file]
    if package.dependencies_file:
        files.append(os.path.join(context, os.path.expanduser(package.dependencies_file)))
    if project.dockerfile:
        files += [
            project.dockerfile + suffix for suffix in ("", ".containerignore", ".dockerignore")
        ]
    return View(project=project, files=tuple(files))


def look(seen: View) -> State:
    """Look at all of it; where that fails the failure is the state, and a build will report it."""
    from buildr.plan.sources import read_sources

    files = tuple(map(_status, seen.files))
    try:
        sources = read_sources(seen.project)
    except BuildrError as error:
        return State(tree=None, rest=(*files, str(error)))
    return State(tree=sources.tree, rest=(*files, sources.extra_digest))


def _status(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode


def changed(old: State, new: State, files: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that differ, for people; none where they are not known.

    Args:
        old: the state before.
        new: the one after.
        files: those of the view.
    """
    found: dict[str, None] = {}
    if old.tree is not None and new.tree is not None:
        before, after = _rows(old.tree), _rows(new.tree)
        found = dict.fromkeys(row[0] for row in sorted(before ^ after) if row[1] != "dir")
    pairs = zip(files, old.rest, new.rest, strict=False)
    found |= dict.fromkeys(os.path.basename(path) for path, was, now in pairs if was != now)
    return tuple(found)


def _rows(tree: Snapshot) -> set[tuple[str, str, int, str, bytes]]:
    entries = zip(tree.scan.entries, tree.contents, strict=True)
    return {(e.path, e.kind, e.mode, e.target, content) for e, content in entries}


def _refuse_own_output(state: State) -> None:
    """Refuse to write into what is watched: it would run again for ever.

    Raises:
        ContextError: standard output or error is a file that travels.
    """
    for fd, name in ((1, "output"), (2, "error")):
        try:
            found = os.fstat(fd)
        except OSError:
            continue
        for entry in state.tree.scan.entries if state.tree and stat.S_ISREG(found.st_mode) else ():
            if (entry.device, entry.inode) == (found.st_dev, found.st_ino):
                raise ContextError(
                    f"standard {name} is written to {entry.path}, which is watched: each line would run the script again",
                    hint="Write it elsewhere, or name the file in .containerignore.",
                )


class Watcher:
    """The thread that looks for changes; a context manager.

    Args:
        signals: of the action; a guest that runs is asked to end through them.
    """

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._lock = threading.Lock()  # of what both threads change, and of a look
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
        """Whether there is anything yet that may change."""
        return self._seen is not None

    def begin(self, seen: View) -> None:
        """Watch this from now on, for who is about to build and run it.

        Raises:
            ContextError: what this process writes would be taken for a change.
        """
        with self._lock:
            if seen != self._seen:
                known = look(seen)
                _refuse_own_output(known)
                self._seen, self._known = seen, known
            self._changed = None
            self._notified.clear()
            self._running = True

    def end(self) -> None:
        """Note that the run is over: no guest is asked to end."""
        with self._lock:
            self._running = False

    def wait(self) -> tuple[str, ...]:
        """Wait until something has changed since `begin`; return what, for people."""
        self._notified.wait()
        with self._lock:
            self._notified.clear()
            found, self._changed = self._changed, None
        return found or ()

    @property
    def has_changes(self) -> bool:
        """Whether `wait` would return at once."""
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
        """Wait for the end of a change, and notify of it unless it has come to nothing."""
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
            self._running = False  # once is enough
            self._signals.request_end()


def run_watching(
    find: Callable[[], tuple[Entry, Settings]],
    run: Callable[[Entry, Settings], int],
    signals: Signals,
) -> int:
    """Run a program, and again whenever it changes, until the user ends it.

    Args:
        find: returns the program and its options as they are now.
        run: builds and runs it.
        signals: the handlers in force.

    Returns:
        The status of the guest that the user's signal ended; 0 after Ctrl+C.

    Raises:
        BuildrError: it cannot run from the start. What goes wrong later is printed, and the next change awaited.
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
