"""The faults and their number of tries, for ``python -m tests.faults`` and for the tests."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from msgspec import Struct

from tests.faults import trials
from tests.faults.full_store import store_full
from tests.faults.little_memory import available

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.bench import Bench

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_HEAD_OF_4_GIB = b"\x01\0\0\0\xff\xff\xff\xff"
_DEADLY = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGILL, signal.SIGABRT, signal.SIGBUS),
    *(
        signal.SIGFPE,
        signal.SIGKILL,
        signal.SIGUSR1,
        signal.SIGSEGV,
        signal.SIGUSR2,
        signal.SIGPIPE,
    ),
    *(signal.SIGALRM, signal.SIGTERM),
)


class Row(Struct, frozen=True, kw_only=True):
    """One row of the table."""

    fault: str
    trials: tuple[Callable[[Bench], list[str]], ...]
    times: int = 1
    """The number of tries of each trial in a full run."""
    engines: tuple[str, ...] = ("podman", "docker")
    """The backends or engines on which it can happen."""
    line: str = ""
    """The line of the page's table to which it is added; empty: its own."""


def rows() -> Iterator[Row]:
    """Yield the table."""
    one = trials
    yield Row(fault="exit status, each of 256", trials=tuple(map(one.exits, range(256))))
    yield Row(fault="guest killed by a signal, 14 of them", trials=tuple(map(one.dies, _DEADLY)))
    for point in one.POINTS:
        line = "SIGKILL, at the points above"
        yield Row(fault=f"SIGKILL: {point}", trials=(one.killed(point),), times=10, line=line)
    for point in ("build going on", "create asked for", "running") if available() else ():
        line = "out of memory, at three points"
        killed = (one.out_of_memory(point),)
        yield Row(fault=f"out of memory: {point}", trials=killed, times=5, line=line)
    yield Row(fault="SIGKILL, and the container comes late", trials=(one.created_late,), times=5)
    for times in (1, 2, 3):
        for point in one.POINTS:
            if times < 3 or point not in one.AFTER:
                trial = one.signalled(point, signal.SIGINT, times)
                line = f"Ctrl+C x{times}, at the points above"
                yield Row(fault=f"Ctrl+C x{times}: {point}", trials=(trial,), times=5, line=line)
    storms = tuple(map(one.storm, one.POINTS))
    yield Row(fault="Ctrl+C x50 in a second, at the points above", trials=storms, times=3)
    yield from _signals()
    yield Row(
        fault="host process and watchdog killed", trials=(one.killed_with_its_watchdog,), times=10
    )
    yield Row(fault="engine gone for good", trials=(one.gone_for_good,), times=10)
    yield Row(fault="engine gone, guest ends, engine back", trials=(one.gone_and_back,), times=10)
    yield Row(fault="socket removed", trials=(one.socket_removed,), times=10)
    own = one.service_of_ones_own_killed
    yield Row(fault="transient service killed", trials=(own,), times=10, engines=("podman",))
    yield Row(fault="streams cut at an offset", trials=(one.some_offset,), times=200)
    yield Row(fault="streams byte by byte", trials=(one.one_by_one(),), times=10)
    yield Row(fault="streams stalled, guest ended", trials=(one.stalled_for_ever,), times=3)
    yield Row(fault="garbage frames", trials=(one.garbage(b"\x7fgarbage" * 9),), times=10)
    yield Row(fault="a frame of 4 GiB", trials=(one.garbage(_HEAD_OF_4_GIB),), times=10)
    for request in ("POST .*/create", "POST .*/attach", "POST .*/start", "DELETE .*/containers/"):
        line = "answer 500 for create, attach, start, remove"
        refused = (one.refused(request),)
        yield Row(fault=f"500 for {request}", trials=refused, times=5, line=line)
    yield from _phases()
    yield from _engine()
    yield Row(fault="the reader of the output has gone", trials=(one.reader_gone,), times=10)
    yield from _surroundings()
    changes = (one.file_changes(grows=False), one.file_changes(grows=True))
    yield Row(fault="a file changes while it is read", trials=changes, times=5)
    plain = ("podman-rootless",)  # root can read all
    yield Row(fault="unreadable file", trials=(one.unreadable,), times=5, engines=plain)
    steps = (one.clock_stepped(3600), one.clock_stepped(-3600))
    yield Row(fault="clock stepped by an hour", trials=steps, times=5)
    yield Row(fault="30 runs in one process", trials=(one.again_and_again(30),), times=3)
    yield Row(fault="50 runs at once", trials=(one.at_once(50),), times=10)
    yield Row(fault="1 GiB of output, every byte", trials=(one.bulk(1024),))


def _signals() -> Iterator[Row]:
    one = trials
    for number in (*_SIGNALS, signal.SIGWINCH):
        usual = number in _SIGNALS[:3]
        points = [p for p in one.POINTS if usual or p not in one.BEFORE]
        found = tuple(one.signalled(point, number) for point in points)
        yield Row(fault=f"{number.name}, {len(found)} points", trials=found, times=5)
        if not usual:
            early = tuple(one.signalled(point, number) for point in one.BEFORE)
            name = f"{number.name} while an image is made, {len(early)} points"
            yield Row(fault=name, trials=early, times=5)
    points = [p for p in one.POINTS if p not in one.AFTER]
    stops = tuple(map(one.stopped, points))
    yield Row(fault=f"SIGTSTP and SIGCONT, {len(points)} points", trials=stops, times=5)
    often = tuple(
        one.stopped_often(point, continued=continued)
        for point in ("create asked for", "start asked for")
        for continued in (False, True)
    )
    yield Row(fault="SIGTSTP x8 while a container is made", trials=often, times=5)


def _phases() -> Iterator[Row]:
    one = trials
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        yield Row(fault=f"{number.name}: upload", trials=(one.upload_given_up(number),), times=5)
        pushes = (one.ended_push(number), one.ended_in_push(number))
        yield Row(fault=f"{number.name}: push", trials=pushes, times=5)
    for times in (1, 2, 3):
        places = (one.interrupted_stop("request", times), one.interrupted_stop("head", times))
        yield Row(fault=f"Ctrl+C x{times}: stop", trials=places, times=5)


def _engine() -> Iterator[Row]:
    one = trials
    if os.environ.get("FAULTS_STOP_DOCKERD"):  # the dockerd is ours, and nothing else uses it
        for number in (signal.SIGTERM, signal.SIGKILL):
            stopped = (one.dockerd_stopped(number),)
            yield Row(fault=f"dockerd: {number.name}", trials=stopped, times=5, engines=("docker",))
    if os.geteuid() == 0:
        yield Row(fault="two users", trials=(one.two_users,), times=5, engines=("docker",))
        yield Row(fault="the engine's store is full", trials=(store_full,), times=3)


_FULL = dict.fromkeys(("TMPDIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"), "PLACE")
_READ_ONLY = {"HOME": "PLACE", "XDG_CACHE_HOME": ""}
_NO_HOME = {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": ""}


def _surroundings() -> Iterator[Row]:
    found = {
        "no home": trials.surroundings(_NO_HOME),
        "HOME is empty": trials.surroundings({"HOME": "", "XDG_CACHE_HOME": ""}),
        "read-only home": trials.surroundings(_READ_ONLY, trials.read_only),
        "no XDG_RUNTIME_DIR": trials.surroundings({"XDG_RUNTIME_DIR": ""}),
        "nowhere to keep files": trials.surroundings(
            {"TMPDIR": "/proc", "XDG_CACHE_HOME": "/proc"}
        ),
        "full disk": trials.surroundings(_FULL, trials.full_disk),
    }
    for name, trial in found.items():
        yield Row(fault=name, trials=(trial,), times=3)
    yield Row(
        fault="variables name directories that do not exist",
        trials=_missing_directories(),
        times=3,
        engines=("podman",),
    )


def _missing_directories() -> tuple[Callable[[Bench], list[str]], ...]:
    names = ("TMPDIR", "XDG_RUNTIME_DIR", "HOME")
    return tuple(trials.surroundings({name: "/nowhere"}, proxied=False) for name in names)


def few() -> Iterator[tuple[str, Callable[[Bench], list[str]]]]:
    """Yield the short trials that are part of the test suite, one for each kind of fault."""
    one = trials
    yield "exit 42", one.exits(42)
    yield "death by a signal", one.dies(signal.SIGSEGV)
    for point in ("build going on", "create asked for", "started"):
        yield f"SIGKILL: {point}", one.killed(point)
    if available():
        yield "out of memory: running", one.out_of_memory("running")
    for point in ("scan", "created"):
        yield f"Ctrl+C: {point}", one.signalled(point, signal.SIGINT)
    yield "Ctrl+C twice: running", one.signalled("running", signal.SIGINT, 2)
    yield "Ctrl+C three times: start", one.signalled("start asked for", signal.SIGINT, 3)
    for point in ("scan", "create asked for", "running"):
        yield f"Ctrl+C x50: {point}", one.storm(point)
    yield "SIGTSTP and SIGCONT: scan", one.stopped("scan")
    for continued in (False, True):
        often = one.stopped_often("create asked for", continued=continued)
        yield f"SIGTSTP x8{', taken back' if continued else ''}: create asked for", often
    yield "SIGTERM: scan", one.signalled("scan", signal.SIGTERM)
    yield "SIGHUP: created", one.signalled("created", signal.SIGHUP)
    yield "host process and watchdog killed", one.killed_with_its_watchdog
    yield "engine gone and back", one.gone_and_back
    yield "engine gone for good", one.gone_for_good
    yield "transient service killed", one.service_of_ones_own_killed
    yield "streams cut", one.cut_at(500)
    yield "streams cut, status 5", one.cut_at(100, 5)
    yield "streams byte by byte", one.one_by_one()
    yield "a frame of 4 GiB", one.garbage(_HEAD_OF_4_GIB)
    yield "500 for the start", one.refused("POST .*/start")
    yield "Ctrl+C: push", one.ended_in_push(signal.SIGINT)
    yield "Ctrl+C twice: stop", one.interrupted_stop("request", 2)
    yield "a file changes while it is read", one.file_changes(grows=False)
    yield "SIGKILL: upload", one.upload_given_up(signal.SIGKILL)
    yield "clock stepped by an hour", one.clock_stepped(3600)
    yield "5 runs in one process", one.again_and_again(5)
    yield "no home", one.surroundings(_NO_HOME)
    for name, trial in zip(
        ("TMPDIR", "XDG_RUNTIME_DIR", "HOME"), _missing_directories(), strict=True
    ):
        yield f"{name} does not exist", trial
    if os.geteuid() == 0:
        yield "read-only home", one.surroundings(_READ_ONLY, one.read_only)
        yield "full disk", one.surroundings(_FULL, one.full_disk)
    yield "8 runs at once", one.at_once(8)
