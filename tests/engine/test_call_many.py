"""Workers on real engines: containers that stay for many calls."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.images import site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine
    from tests.engine.images import Site

SECONDS = 60

WORK = """\
import os, signal, socket, sys
from buildr import Containerize

count = 0
PACKAGE = dict(name="{name}")

@Containerize(package=PACKAGE)
def counted():
    global count
    count += 1
    return [count, socket.gethostname()]

@Containerize(package=PACKAGE)
def spoken(text, times):
    for _ in range(times):
        print(text)
    print(text, file=sys.stderr)

@Containerize(package=PACKAGE)
def fatal(number):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number

@Containerize(package=PACKAGE, runtime=dict(call_fresh=True))
def fresh():
    return socket.gethostname()

@Containerize(package=PACKAGE, runtime=dict(call_keep_seconds=0))
def brief():
    return socket.gethostname()

@Containerize(package=PACKAGE)
def same(x):
    return x
"""

CALLER = """\
import datetime, json, pathlib, os, sys, threading
from buildr.errors import RemoteError
import {module} as work

def told(function, *args):
    try:
        return function(*args)
    except RemoteError as error:
        return [str(error), error.status]

def used():
    return [len(os.listdir("/proc/self/fd")), threading.active_count()]

out = dict(
    counted=[work.counted.remote() for _ in range(3)],
    fatal=[told(work.fatal.remote, number) for number in (1, 2, 3)],
    fresh=[work.fresh.remote() for _ in range(2)],
    brief=[work.brief.remote() for _ in range(2)],
    hosts=len(set(host for _, host in (work.counted.remote() for _ in range(3)))),
)
for number in range(5):
    work.spoken.remote(f"line {{number}}", 2000)
    print(f"result {{number}}")
    print(f"result {{number}}", file=sys.stderr)
work.same.remote(0)
before = used()
out["same"] = [work.same.remote(number) for number in range(300)] == list(range(300))
out["map"] = list(work.same.map(range(300), concurrency=1)) == list(range(300))
value = [(b"bytes", {{1}}), datetime.date(2026, 1, 1), pathlib.PurePosixPath("/a")]
out["travels"] = work.same.remote(value) == value
out["large"] = work.same.remote(bytes(15_000_000)) == bytes(15_000_000)
out["used"] = [before, used()]
json.dump(out, open("out.json", "w"))
"""


@pytest.fixture(scope="module")
def project(engine: Engine) -> Iterator[Site]:
    """A project whose containers have a unique name."""
    for made in site(engine):
        module = made.name.replace("-", "_")
        made.write(
            {
                f"{module}.py": WORK.format(name=made.name),
                "caller.py": CALLER.format(module=module),
            }
        )
        yield made
        assert containers(made) == ""


def containers(project: Site) -> str:
    """Return the project's existing containers."""
    label = f"label=buildr.name={project.name.replace('-', '_')}"
    return project.engine.cli("ps", "--all", "--quiet", "--filter", label)


@pytest.fixture(scope="module")
def results(project: Site) -> dict[str, Any]:
    """The results of some hundred calls in one process."""
    done = project.run("caller.py")
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads((project.directory / "out.json").read_bytes())
    return {**found, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}


def test_a_worker_stays_for_further_calls_and_keeps_module_state(
    results: dict[str, Any],
) -> None:
    counts, hosts = zip(*results["counted"], strict=True)
    assert counts == (1, 2, 3)
    assert len(set(hosts)) == 1
    assert results["hosts"] == 1


def test_a_call_that_kills_its_worker_affects_no_other_call(results: dict[str, Any]) -> None:
    first, (text, status), third = results["fatal"]
    assert (first, third, status) == (1, 3, 137)
    assert "was killed by SIGKILL before there was a result" in text


@pytest.mark.parametrize("function", ["fresh", "brief"])
def test_each_call_has_its_own_container_if_workers_do_not_stay(
    results: dict[str, Any], function: str
) -> None:
    assert len(set(results[function])) == 2


def test_all_output_of_a_call_is_shown_before_its_result(results: dict[str, Any]) -> None:
    expected = [line for n in range(5) for line in (*[f"line {n}"] * 2000, f"result {n}")]
    assert results["stdout"].splitlines() == expected
    lines = results["stderr"].splitlines()
    assert [line for line in lines if line.startswith(("line", "result"))] == [
        line for n in range(5) for line in (f"line {n}", f"result {n}")
    ]


def test_types_beyond_json_and_large_bytes_travel(results: dict[str, Any]) -> None:
    assert results["travels"]
    assert results["large"]


def test_many_calls_leave_neither_files_nor_threads_behind(results: dict[str, Any]) -> None:
    assert results["same"]
    assert results["map"]
    (files, threads), (files_after, threads_after) = results["used"]
    assert files_after == files
    assert abs(threads_after - threads) <= 1  # a thread of the last call may be about to end


def test_workers_end_with_a_killed_program(project: Site, results: dict[str, Any]) -> None:
    assert results  # builds the image
    module = project.name.replace("-", "_")
    code = (
        f"import os, signal, {module} as work\n"
        "print(work.counted.remote(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with project.engine.popen(sys.executable, "-c", code, cwd=project.directory) as process:
        out, _ = process.communicate()
    assert out.startswith(b"[1, ")
    deadline = time.monotonic() + SECONDS
    while containers(project):
        assert time.monotonic() < deadline, "the watchdog leaves a worker behind"
        time.sleep(0.05)  # a removed container causes no event
