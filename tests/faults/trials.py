"""The faults, one function each, which injects the fault once and returns what went wrong.

Each returned string begins with the name of a column: ``lost`` (output or a status), ``leaked`` (a container, an image,
a file), ``wrong`` (an unexpected exit status).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import buildr
from tests.faults.bench import SECONDS, Bench, await_ready, await_stopped, end, interrupt
from tests.faults.guest_app import BLOCK
from tests.faults.little_memory import little_memory
from tests.faults.proxy import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from subprocess import Popen

Trial: TypeAlias = "Callable[[Bench], list[str]]"
Where: TypeAlias = "Callable[[Bench], AbstractContextManager[str]]"

LOST = 125
HANGS_SECONDS = 30  # after the loss of the engine
NOBODY = 65534
_WATCHDOG_MIB = 64  # more than cleaning up takes
_LATE_SECONDS = 20  # after which a client that tries only briefly has given up
_END = r"GET .*/containers/[0-9a-f]{64}/json|POST .*/wait"
# Points in a run of the host process: a request, and the progress of that request.
POINTS: dict[str, tuple[str, Place]] = {
    "scan": ("buildr.image.ensure:read_sources", "request"),
    "build asked for": (r"POST .*/build\?", "request"),
    "build going on": (r"POST .*/build\?", "head"),
    "layer asked for": (r"POST .*/images/load", "request"),
    "layer loaded": (r"POST .*/images/load", "head"),
    "tag": (r"POST .*/tag\?", "request"),
    "create asked for": (r"POST .*/containers/create", "request"),
    "created": (r"POST .*/containers/create", "head"),
    "attach asked for": (r"POST .*/attach", "request"),
    "attached": (r"POST .*/attach", "head"),
    "start asked for": (r"POST .*/start", "request"),
    "started": (r"POST .*/start", "head"),
    "running": ("", "request"),
    "guest has ended": (_END, "request"),
    "remove asked for": (r"DELETE .*/containers/", "request"),
    "removed": (r"DELETE .*/containers/", "head"),
}
BUILDING = ("build asked for", "build going on")
BEFORE = (
    *("scan", *BUILDING, "layer asked for", "layer loaded", "tag"),  # a container is about to exist
)
STARTING = ("start asked for", "started")
AFTER = ("guest has ended", "remove asked for", "removed")
STATUS = 7
_STORM = 50
_STOPS = 8
_CAUGHT = 9  # the exit status of the interrupted guest
HOST = b'File "' + os.path.dirname(buildr.__file__).encode()  # the first line of a traceback


@contextlib.contextmanager
def _at(
    bench: Bench, point: str, env: Mapping[str, str] | None = None
) -> Iterator[tuple[Popen[bytes], Callable[[], None]]]:
    """Bring a host process to a point; yield it and a function that lets it continue."""
    if point in BEFORE:
        bench.change()
    if point in BUILDING:
        bench.forget_prepared()
    words = ("status", str(STATUS)) if point in AFTER else ("wait",)
    request, place = POINTS[point]
    if point == "scan":
        with _stalled_at(bench, request, *words, env=env) as found:
            yield found
        return
    if not request:
        process = bench.start(*words, env=env)
        try:
            await_ready(process)
            yield process, lambda: None
        finally:
            process.kill()
        return
    with bench.proxy.fault(Fault(request, "stall", place)) as fault:
        process = bench.start(*words, env=env)
        try:
            fault.wait(process)
            yield process, fault.go
        finally:
            process.kill()


@contextlib.contextmanager
def _stalled_at(
    bench: Bench, function: str, *words: str, env: Mapping[str, str] | None = None
) -> Iterator[tuple[Popen[bytes], Callable[[], None]]]:
    """Bring a host process to a call of a function, ``module:name`` or ``module:Class.name``."""
    reached, go = _fifo(bench, "reached"), _fifo(bench, "go")
    hook = {
        "FAULT_AT": function,
        "FAULT_REACHED": str(reached),
        "FAULT_GO": str(go),
        "PYTHONPATH": str(bench.top / "hook"),
    }
    process = bench.start(*words, env={**hook, **(env or {})})
    try:
        _await_reached(reached, process)
        yield process, lambda: _open_if_read(str(go))
    finally:
        process.kill()


def _fifo(bench: Bench, name: str) -> Path:
    path = bench.top / "run" / name
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    os.mkfifo(path)
    path.chmod(0o666)
    return path


def _await_reached(path: Path, process: Popen[bytes]) -> None:
    """Wait until a process has opened a FIFO for writing.

    Raises:
        AssertionError: the process has ended before.
    """
    fifo = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    end = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(fifo)
        poll.register(end, select.POLLIN)
        found = dict(poll.poll(SECONDS * 1000))
    finally:
        os.close(fifo)
        os.close(end)
    assert fifo in found, "the process did not reach the point"


def _open_if_read(path: str) -> None:
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


def killed(point: str) -> Trial:
    """SIGKILL of the host process at a point."""

    def trial(bench: Bench) -> list[str]:
        with _at(bench, point) as (process, go):
            process.kill()
            end(process)
            go()
        return leaks(bench) + _next_run(bench, point)

    return trial


def _next_run(bench: Bench, point: str) -> list[str]:
    """Run again after a killed build; return what went wrong and what is left."""
    if point not in BEFORE:
        return []
    after = bench.run("status", "3")
    problems = [] if after.returncode == 3 else [f"wrong: next run {after.stderr[-300:]!r}"]
    return problems + [f"leaked: image {image}" for image in bench.left_images()]


def out_of_memory(point: str) -> Trial:
    """The OOM killer kills the host process at a point, when it and its watchdog reach their limit."""

    def trial(bench: Bench) -> list[str]:
        meal = _fifo(bench, "meal")
        hook = {"FAULT_EAT": str(meal), "PYTHONPATH": str(bench.top / "hook")}
        with little_memory(bench.name, _WATCHDOG_MIB) as group:
            with _at(bench, point, hook) as (process, go):
                for pid in (process.pid, *_children_named(process.pid, b"buildr.run.watchdog")):
                    group.take(pid)
                meal.open("wb").close()
                status, _, errors = end(process)
                go()
            right = (status, group.kills()) == (-signal.SIGKILL, 1)
            problems = [] if right else [f"wrong: {status}, {group.kills()} killed: {errors!r}"]
            return problems + leaks(bench) + _next_run(bench, point)

    return trial


def created_late(bench: Bench) -> list[str]:
    """SIGKILL of the host process while the engine creates its container, which appears after the request was abandoned."""
    with bench.proxy.fault(Fault(r"POST .*/containers/create", "late")) as fault:
        process = bench.start("wait")
        try:
            fault.wait(process)
        finally:
            process.kill()
        end(process)
        time.sleep(_LATE_SECONDS)  # nothing can be awaited here
        fault.go()
        assert fault.answered.wait(SECONDS), "the engine does not answer"
    return leaks(bench)


def stopped(point: str) -> Trial:
    """Ctrl+Z and ``fg`` at a point: the host process stops and continues, without any other effect."""

    def trial(bench: Bench) -> list[str]:
        with _at(bench, point) as (process, go):
            process.send_signal(signal.SIGTSTP)
            if point not in (*BEFORE, "running"):
                go()  # it stops once the guest can be resized afterwards
            await_stopped(process)
            process.send_signal(signal.SIGCONT)
            if point != "running":
                assert process.stdout is not None
                deadline = time.monotonic() + SECONDS
                # The stalled request may be sent again, now or later.
                while not select.select([process.stdout.fileno()], [], [], 0.05)[0]:
                    assert time.monotonic() < deadline, "the process does not continue"
                    go()
                await_ready(process)
            process.send_signal(signal.SIGTERM)
            status, _, errors = end(process)
        right = status == 128 + signal.SIGTERM and HOST not in errors
        return ([] if right else [f"wrong: {status} {errors!r}"]) + leaks(bench)

    return trial


def signalled(point: str, number: int, times: int = 1) -> Trial:
    """A signal to the host process at a point, once or several times."""

    def trial(bench: Bench) -> list[str]:
        with _at(bench, point) as (process, go):
            for _ in range(times):
                interrupt(process, number)
            if times < 3:  # after the third signal nothing may delay the end
                go()
            if _changes_nothing(point, number):
                if point != "running":
                    await_ready(process)
                process.send_signal(signal.SIGTERM)
            status, _, errors = end(process)
            go()
        expected = _expected(point, number, times)
        if times == 2 and point in STARTING and errors.endswith(b"KeyboardInterrupt\n"):
            # Python had just started, and exited before the second signal; that happens without a container, too.
            expected |= {1}
        problems = (
            [] if status in expected else [f"wrong: {status}, not {expected}: {errors[-300:]!r}"]
        )
        # Python itself prints a traceback if it is interrupted while it starts the script.
        if HOST in errors or b"guest/init.py" in errors:
            problems.append(f"wrong: {errors[-600:]!r}")
        return problems + leaks(bench)

    return trial


def storm(point: str) -> Trial:
    """Fifty interrupts in a second, the first at a point."""

    def trial(bench: Bench) -> list[str]:
        with _at(bench, point) as (process, go):
            for _ in range(_STORM):
                if process.poll() is not None:
                    break
                process.send_signal(signal.SIGINT)
                go()
                time.sleep(1 / _STORM)  # the interval is part of the fault
            status, _, errors = end(process)
        expected = {STATUS, *_expected(point, signal.SIGINT, 3), 0, _CAUGHT, 128 + signal.SIGKILL}
        problems = [] if status in expected else [f"wrong: {status}: {errors[-300:]!r}"]
        if HOST in errors or b"xception ignored" in errors:
            problems.append(f"wrong: {errors[-900:]!r}")
        return problems + leaks(bench)

    return trial


def stopped_often(point: str, *, continued: bool) -> Trial:
    """Ctrl+Z several times at a point: it stops once, or not at all if it was continued before it could."""

    def trial(bench: Bench) -> list[str]:
        with _at(bench, point) as (process, go):
            for _ in range(_STOPS):
                interrupt(process, signal.SIGTSTP)
            if continued:
                interrupt(process, signal.SIGCONT)
            go()
            if not continued:
                await_stopped(process)
                process.send_signal(signal.SIGCONT)
            await_ready(process)
            process.send_signal(signal.SIGTERM)
            status, _, errors = end(process)
        right = status == 128 + signal.SIGTERM and HOST not in errors
        return ([] if right else [f"wrong: {status} {errors!r}"]) + leaks(bench)

    return trial


def _changes_nothing(point: str, number: int) -> bool:
    """Whether a signal is for the guest only, and there is no guest yet or it ignores the signal."""
    if point in AFTER:
        return False
    for_guest = number in (signal.SIGUSR1, signal.SIGUSR2) and point in BEFORE
    return for_guest or number == signal.SIGWINCH


def interrupted_stop(place: Place, times: int) -> Trial:
    """Ctrl+C once or several times, while the engine is being asked to stop the guest."""

    def trial(bench: Bench) -> list[str]:
        with bench.proxy.fault(Fault(r"POST .*/kill", "stall", place)) as fault:
            process = bench.start("wait")
            await_ready(process)
            process.send_signal(signal.SIGINT)
            fault.wait(process)
            for _ in range(times - 1):
                interrupt(process, signal.SIGINT)
            if times < 3:
                fault.go()
            status, _, errors = end(process)
        expected = {1: {0}, 2: {0, _CAUGHT, 137}, 3: {130}}[times]
        problems = [] if status in expected else [f"wrong: {status}, not {expected}: {errors!r}"]
        return problems + leaks(bench)

    return trial


def ended_push(number: int) -> Trial:
    """A signal just before an image is pushed: it is not pushed, and no message mentions it."""

    def trial(bench: Bench) -> list[str]:
        env = _publishing("127.0.0.1:1")
        with bench.proxy.fault(Fault(r"POST .*/push", "stall")) as fault:
            return _end_push(bench, bench.start("status", "0", env=env), fault, number)

    return trial


def ended_in_push(number: int) -> Trial:
    """A signal while the engine is pushing; the next run pushes again."""

    def trial(bench: Bench) -> list[str]:
        bench.change()
        env = _publishing(bench.registry())
        with bench.proxy.fault(Fault(r"POST .*/push", "stall", "body", after=1)) as fault:
            problems = _end_push(bench, bench.start("status", "0", env=env), fault, number)
        status, _, errors = end(bench.start("status", str(STATUS), env=env))
        right = status == STATUS and b"pushed " in errors
        with contextlib.suppress(AssertionError):
            bench.engine.remove_images(f"{bench.registry()}/faults/{bench.name}")
        return problems + ([] if right else [f"wrong: next run {status} {errors!r}"])

    return trial


def _publishing(registry: str) -> dict[str, str]:
    package = {"repository": f"{registry}/faults", "publish": True}
    return {"PACKAGE_OPTIONS": json.dumps(package)}


def _end_push(bench: Bench, process: Popen[bytes], fault: Fault, number: int) -> list[str]:
    fault.wait(process)
    process.send_signal(number)
    status, _, errors = end(process)
    expected = {int(signal.SIGINT): 0, int(signal.SIGKILL): -number}.get(number, 128 + number)
    right = status == expected and HOST not in errors
    return ([] if right else [f"wrong: {status} {errors!r}"]) + leaks(bench)


def _expected(point: str, number: int, times: int) -> set[int]:
    if point in AFTER:  # the guest's status is already known, or is not read any more
        return {STATUS} if number != signal.SIGINT else {0, STATUS, 130, 137}
    if _changes_nothing(point, number):
        return {128 + signal.SIGTERM}
    if number != signal.SIGINT:
        return {128 + number}
    # The first signal may end the guest before the second kills it, and an exited guest gets no third.
    twice = {0, 130} if point in BEFORE else {0, _CAUGHT, 130, 137}
    return {1: {0}, 2: twice, 3: {*twice, 130}}[times]


def leaks(bench: Bench) -> list[str]:
    """Wait until nothing is left of a run that has just ended; return the leftovers."""
    begun = time.monotonic()
    problems = [] if bench.all_gone() else [f"leaked: {bench.containers()}"]
    problems += [f"leaked: file {name}" for name in bench.left_files()]
    bench.waited_seconds.append(time.monotonic() - begun)
    return problems


# The streams --------------------------------------------------------------------------------------

_LINES = 40
_OUT = b"".join(b"out %d\n" % n for n in range(_LINES))
_ERR = b"".join(b"err %d\n" % n for n in range(_LINES))
_BYTES = len(_OUT) + len(_ERR)  # at least; an unknown number of frame headers comes on top


def stream(fault: Callable[[], Fault], status: int = 0, *, exact: bool = False) -> Trial:
    """A fault of the attached streams: all output arrives, or an error says that it was lost."""

    def trial(bench: Bench) -> list[str]:
        with bench.proxy.fault(fault()) as made:
            found, output, errors = end(bench.start("lines", str(_LINES), str(status)))
            problems = [] if made.reached.is_set() else ["wrong: the fault did not happen"]
        complete = output == _OUT and errors == _ERR
        if found == status and not complete:
            reported = status != 0 and b"output was lost" in errors
            problems += [] if reported else [f"lost: {output[-80:]!r} {errors[-300:]!r}"]
        elif found not in ((status,) if exact else (status, LOST)):
            problems.append(f"wrong: {found}: {errors[-300:]!r}")
        return problems + leaks(bench)

    return trial


def cut_at(offset: int, status: int = 0) -> Trial:
    """The streams are cut at an offset."""
    return stream(lambda: Fault(r"POST .*/attach", "cut", "body", after=offset), status)


def some_offset(bench: Bench) -> list[str]:
    """The streams are cut somewhere."""
    offset = random.randrange(_BYTES)  # noqa: S311 - nothing secret
    return [f"{what} (at {offset})" for what in cut_at(offset, random.choice((0, 5)))(bench)]  # noqa: S311 - nothing secret


def garbage(data: bytes, offset: int = 0) -> Trial:
    """Bytes that are not a frame are inserted."""
    return stream(lambda: Fault(r"POST .*/attach", "insert", "body", after=offset, data=data))


def one_by_one() -> Trial:
    """The streams arrive byte by byte."""
    return stream(lambda: Fault(r"POST .*/attach", "split", "body"), exact=True)


def stalled_for_ever(bench: Bench) -> list[str]:
    """The streams stall, though the guest has ended."""
    return stream(lambda: Fault(r"POST .*/attach", "stall", "body", after=100), 5)(bench)


def refused(request: str) -> Trial:
    """The engine answers 500."""

    def trial(bench: Bench) -> list[str]:
        with bench.proxy.fault(Fault(request, "refuse")) as fault:
            status, _, errors = end(bench.start("status", "7"))
            problems = [] if fault.reached.is_set() else ["wrong: the fault did not happen"]
        allowed = {LOST, 7} if "DELETE" in request else {LOST}
        if status not in allowed or b"Traceback" in errors:
            problems.append(f"wrong: {status} {errors[-300:]!r}")
        return problems + leaks(bench)

    return trial


# The engine ---------------------------------------------------------------------------------------


def gone_for_good(bench: Bench) -> list[str]:
    """The engine goes away while a guest runs, and comes back after the run has ended."""
    process = bench.start("wait")
    await_ready(process)
    if bench.engine.backend == "podman":
        bench.stop_serving()
    bench.proxy.vanish()
    status, _, errors = end(process)
    if bench.engine.backend == "podman":
        bench.serve()
    bench.proxy.appear()
    problems = [] if status == LOST and b"was lost" in errors else [f"wrong: {status} {errors!r}"]
    return problems + leaks(bench)


def gone_and_back(bench: Bench) -> list[str]:
    """The engine goes away while a guest runs, the guest ends, and the engine comes back."""
    process = bench.start("wait")
    await_ready(process)
    (container,) = bench.containers()
    bench.prepare_return()
    bench.go_away()
    bench.ask(f"POST /containers/{container}/kill?signal=TERM")
    bench.ask(f"POST /containers/{container}/wait")
    bench.come_back()
    status, _, errors = end(process)
    problems = [] if status == 128 + signal.SIGTERM else [f"wrong: {status} {errors!r}"]
    return problems + leaks(bench)


def socket_removed(bench: Bench) -> list[str]:
    """The engine's socket is removed while a guest runs; existing connections stay open."""
    process = bench.start("say", "hello", "7")
    assert process.stdout is not None
    assert process.stdout.readline() == b"hello\n"
    bench.proxy.path.unlink()
    status, _, errors = end(process)
    bench.proxy.vanish()
    bench.proxy.appear()
    # The status can no longer be read, unless a connection was kept.
    problems = [] if status in (7, LOST) else [f"wrong: {status} {errors!r}"]
    return problems + leaks(bench)


def service_of_ones_own_killed(bench: Bench) -> list[str]:
    """The transient service is killed while a guest runs; the next process that needs it starts it again."""
    if bench.engine.backend != "podman":
        return []
    runtime = bench.top / "runtime"
    if not runtime.exists():
        runtime.mkdir(mode=0o700)
        os.chown(runtime, bench.engine.uid, bench.engine.uid)
    idle = {"BUILDR_PODMAN_IDLE_SECONDS": "77", "CONTAINER_HOST": ""}
    process = bench.start("wait", proxied=False, env=idle)
    await_ready(process)
    (container,) = bench.containers()
    for service in _children_named(process.pid, b"--time=77"):
        os.kill(service, signal.SIGKILL)
    bench.engine.cli("kill", "--signal", "TERM", container)
    status, _, errors = end(process)
    problems = [] if status == 128 + signal.SIGTERM else [f"wrong: {status} {errors!r}"]
    return problems + leaks(bench)


def dockerd_stopped(number: int) -> Trial:
    """Dockerd is stopped while a guest runs, and restarted afterwards; only the tests' own dockerd."""

    def trial(bench: Bench) -> list[str]:
        pid = int((Path(bench.upstream).parent / "pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
        process = bench.start("wait", proxied=False)
        await_ready(process)
        gone = os.pidfd_open(pid)
        os.kill(pid, number)
        select.select([gone], [], [], SECONDS)
        os.close(gone)
        begun = time.monotonic()
        status, _, errors = end(process)
        seconds = time.monotonic() - begun
        bench.start_again(command)
        # Dockerd stops its containers before it exits; if it cannot, their exit status is unknown.
        expected = {128 + signal.SIGTERM, LOST} if number == signal.SIGTERM else {LOST}
        problems = [] if status in expected else [f"wrong: {status} {errors!r}"]
        problems += [] if seconds < HANGS_SECONDS else [f"wrong: {seconds} seconds"]
        after = bench.run("status", "3")
        problems += [] if after.returncode == 3 else [f"wrong: next run {after.stderr!r}"]
        return problems + leaks(bench)

    return trial


def _children_named(pid: int, word: bytes) -> list[int]:
    found = []
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        children = file.read().split()
    for child in children:
        with contextlib.suppress(OSError), open(f"/proc/{child}/cmdline", "rb") as file:
            if word in file.read():
                found.append(int(child))
    return found


def killed_with_its_watchdog(bench: Bench) -> list[str]:
    """Host process and watchdog are killed: the next run sweeps, and leaves a live run alone."""
    live = bench.start("wait")
    await_ready(live)
    (alive,) = bench.containers()
    process = bench.start("wait")
    await_ready(process)
    for watchdog in _children_named(process.pid, b"buildr.run.watchdog"):
        os.kill(watchdog, signal.SIGKILL)
    process.kill()
    end(process)
    problems = [] if len(bench.containers()) == 2 else ["wrong: there was nothing to sweep"]
    done = bench.run("status", "3")
    problems += [] if done.returncode == 3 else [f"wrong: {done.returncode}"]
    problems += [] if bench.all_gone(alive) else [f"leaked: {bench.containers()}"]
    problems += [] if bench.containers() == [alive] else ["lost: the live run"]
    live.send_signal(signal.SIGTERM)
    status, _, errors = end(live)
    problems += [] if status == 128 + signal.SIGTERM else [f"wrong: live run {status} {errors!r}"]
    return problems + leaks(bench)


# What a guest does --------------------------------------------------------------------------------


def exits(status: int) -> Trial:
    """The guest exits with a given status."""

    def trial(bench: Bench) -> list[str]:
        found = bench.run("status", str(status)).returncode
        return [] if found == status else [f"wrong: {found}, not {status}"]

    return trial


def dies(number: int) -> Trial:
    """A signal kills the guest."""

    def trial(bench: Bench) -> list[str]:
        found = bench.run("die", str(number)).returncode
        return [] if found == 128 + number else [f"wrong: {found}, not {128 + number}"]

    return trial


def at_once(count: int) -> Trial:
    """Parallel runs, each with its own text, input and status."""

    def trial(bench: Bench) -> list[str]:
        runs = [bench.start("say", f"run {n}", str(n), proxied=False) for n in range(count)]
        problems = []
        for number, process in enumerate(runs):
            assert process.stdout is not None
            line = process.stdout.readline()
            status, rest, errors = end(process)
            if (line, rest) != (f"run {number}\n".encode(), b""):
                problems.append(f"lost: {number}: {line!r} {rest!r} {errors!r}")
            if status != number:
                problems.append(f"wrong: {number}: {status} {errors!r}")
        return problems + leaks(bench)

    return trial


def bulk(mebibytes: int) -> Trial:
    """The guest writes a large output, and every byte is compared."""

    def trial(bench: Bench) -> list[str]:
        process = bench.start("bulk", str(mebibytes))
        assert process.stdout is not None
        found, wanted = hashlib.sha256(), hashlib.sha256()
        while data := process.stdout.read(1 << 20):
            found.update(data)
        for _ in range(mebibytes):
            wanted.update(BLOCK)
        status, _, errors = end(process)
        problems = [] if found.digest() == wanted.digest() else ["lost: the bytes differ"]
        return problems + ([] if status == 0 else [f"wrong: {status} {errors!r}"])

    return trial


def reader_gone(bench: Bench) -> list[str]:
    """The reader of the output has gone."""
    process = bench.start("bulk", "64")
    assert process.stdout is not None
    process.stdout.read(1)
    process.stdout.close()
    process.stdout = None
    status, _, errors = end(process)
    problems = [] if status == -signal.SIGPIPE and not errors else [f"wrong: {status} {errors!r}"]
    return problems + leaks(bench)


def again_and_again(times: int) -> Trial:
    """Many runs in one process: it has no more descriptors and threads after the last than after the second."""

    def trial(bench: Bench) -> list[str]:
        process = bench.start("status", "0", proxied=False, env={"REPEAT": str(times)})
        status, output, errors = end(process, times)
        lines = output.decode().splitlines()
        if status != 0 or len(lines) != times:
            return [f"wrong: {status} {output!r} {errors!r}"]
        same = lines[-1] == lines[1] and lines[1].endswith(" status 0")
        return ([] if same else [f"leaked: {lines[1]}, then {lines[-1]}"]) + leaks(bench)

    return trial


def clock_stepped(seconds: int) -> Trial:
    """The clock of the host process steps while a guest runs, and nothing notices."""

    def trial(bench: Bench) -> list[str]:
        step = bench.top / "run" / "clock"
        step.write_text("0")
        hook = {"FAULT_CLOCK": str(step), "PYTHONPATH": str(bench.top / "hook")}
        process = bench.start("say", "hello", str(STATUS), env=hook)
        assert process.stdout is not None
        first = process.stdout.readline()
        step.write_text(str(seconds))
        status, rest, errors = end(process)
        problems = [] if status == STATUS else [f"wrong: {status} {errors!r}"]
        problems += [] if (first, rest) == (b"hello\n", b"") else [f"lost: {first!r} {rest!r}"]
        # With the changed clock a run must not sweep a live one, nor build again.
        live = bench.start("wait", env=hook)
        await_ready(live)
        after = bench.run("status", "3")
        problems += [] if after.returncode == 3 else [f"wrong: next run {after.stderr!r}"]
        live.send_signal(signal.SIGINT)
        status, _, errors = end(live)
        return problems + ([] if status == 0 else [f"wrong: {status} {errors!r}"]) + leaks(bench)

    return trial


def file_changes(*, grows: bool) -> Trial:
    """A file changes between the scan of the project and the upload: it is read again.

    A file that only grows, such as a log, is sent with its first content.
    """

    def trial(bench: Bench) -> list[str]:
        bench.change()
        path = bench.directory / "ballast"
        with _stalled_at(bench, "buildr.image.ensure:_build", "status", str(STATUS)) as (
            process,
            _,
        ):
            with path.open("ab" if grows else "wb") as file:
                file.write(os.urandom(5 << 20))
            (bench.top / "run" / "go").open("wb").close()
            status, _, errors = end(process)
        right = status == STATUS and b"changed while it was read" not in errors
        problems = [] if right else [f"wrong: {status} {errors!r}"]
        after = bench.run("status", "3")
        problems += [] if after.returncode == 3 else [f"wrong: next run {after.stderr!r}"]
        return problems + leaks(bench)

    return trial


def upload_given_up(number: int) -> Trial:
    """A signal during an upload. A private Podman service also removes what it had received."""

    def trial(bench: Bench) -> list[str]:
        bench.change()
        own = {"CONTAINER_HOST": ""} if bench.engine.backend == "podman" else {}
        at = "buildr.context.digest:RunningDigest.finish"  # after a large file has been read
        with _stalled_at(bench, at, "status", "0", env=own) as (process, go):
            deadline = time.monotonic() + SECONDS
            while own and not any(
                path.stat().st_size for path in bench.top.glob("tmp/**/*") if path.is_file()
            ):
                assert time.monotonic() < deadline
                time.sleep(0.01)  # a new file in that directory causes no event
            process.send_signal(number)
            go()
            status, _, errors = end(process)
        expected = {int(signal.SIGINT): 0, int(signal.SIGKILL): -number}.get(number, 128 + number)
        right = status == expected and HOST not in errors
        return ([] if right else [f"wrong: {status} {errors!r}"]) + leaks(bench)

    return trial


def two_users(bench: Bench) -> list[str]:
    """Two users run one project at once on one dockerd: neither touches what belongs to the other."""
    live = bench.start("wait")
    await_ready(live)
    (alive,) = bench.containers()
    other = {
        "HOME": str(bench.top / "other"),
        "XDG_CACHE_HOME": "",
        "TMPDIR": str(bench.top / "tmp"),
    }
    (bench.top / "other").mkdir(exist_ok=True)
    os.chown(bench.top / "other", NOBODY, NOBODY)
    become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", sys.executable)
    env = {**bench.engine.environ, **bench.environment(env=other)}
    problems = []
    for words, expected in (
        ((f"{bench.name}.py", "status", "3"), 3),
        (("-m", "buildr", "prune"), 0),
    ):
        done = subprocess.run(
            (*become, *words),
            cwd=bench.directory,
            env=env,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode != expected:
            problems.append(f"wrong: {words}: {done.returncode} {done.stderr!r}")
    problems += [] if bench.containers() == [alive] else [f"lost: {bench.containers()}"]
    problems += _interrupted(live)
    theirs = subprocess.Popen(
        (*become, f"{bench.name}.py", "wait"),
        cwd=bench.directory,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    await_ready(theirs)
    for command in (("prune",), ("stop", "--all")):  # as root
        words = (sys.executable, "-m", "buildr", *command)
        bench.engine.run(*words, cwd=bench.directory, env=bench.environment(proxied=False))
    problems += [] if len(bench.containers()) == 1 else ["lost: the other user's run"]
    return problems + _interrupted(theirs) + leaks(bench)


def _interrupted(process: Popen[bytes]) -> list[str]:
    """Interrupt a host process; return what is wrong with its exit."""
    process.send_signal(signal.SIGINT)
    status, _, errors = end(process)
    return [] if status == 0 else [f"wrong: {status} {errors!r}"]


# Where it runs ------------------------------------------------------------------------------------


def surroundings(
    env: Mapping[str, str], place: Where | None = None, *, proxied: bool = True
) -> Trial:
    """No home, no cache or temporary directory, a full disk: a build and a run succeed, or say why not.

    Args:
        env: the variables to set.
        place: creates the directory that replaces ``PLACE`` in them.
        proxied: whether to use the service behind the proxy, or one that Buildr starts in these surroundings.
    """

    def trial(bench: Bench) -> list[str]:
        with place(bench) if place else contextlib.nullcontext("") as path:
            given = {name: value.replace("PLACE", path) for name, value in env.items()}
            bench.change()
            process = bench.start("status", str(STATUS), env=given, proxied=proxied)
            status, _, errors = end(process)
        problems = [] if status == STATUS else [f"wrong: {status} {errors[-400:]!r}"]
        if status == LOST and errors.count(b"buildr: error: ") == 1 and HOST not in errors:
            problems = []  # refused with a message that says why
        after = bench.run("status", "3")
        problems += [] if after.returncode == 3 else [f"wrong: next run {after.stderr!r}"]
        return problems + leaks(bench)

    return trial


def unreadable(bench: Bench) -> list[str]:
    """An unreadable file: an error says so, and an older image is not used instead."""
    bench.change()
    path = bench.directory / "ballast"
    path.chmod(0)
    status, _, errors = end(bench.start("status", str(STATUS)))
    path.chmod(0o644)
    words = b"cannot be read: Permission denied"
    reported = status == LOST and b"ballast" in errors and words in errors and HOST not in errors
    problems = [] if reported else [f"wrong: {status} {errors!r}"]
    after = bench.run("status", "3")
    problems += [] if after.returncode == 3 else [f"wrong: next run {after.stderr!r}"]
    return problems + leaks(bench)


@contextlib.contextmanager
def read_only(bench: Bench) -> Iterator[str]:
    """Mount a read-only file system; yield its path."""
    place = bench.top / "read-only"
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,mode=1777", "none", place], check=True)
    try:
        yield str(place)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@contextlib.contextmanager
def full_disk(bench: Bench) -> Iterator[str]:
    """Mount a file system without room; yield its path."""
    place = bench.top / "full"
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=1777", "none", place], check=True)
    try:
        with contextlib.suppress(OSError), (place / "filling").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        yield str(place)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
