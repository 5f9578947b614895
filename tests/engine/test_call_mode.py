"""Call mode on real engines: one function in a container, and its results."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.images import site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine
    from tests.engine.images import Site

WORK = """\
import os, signal, sys, time
from buildr import Containerize

class Point:
    def __init__(self, x):
        self.x = x

@Containerize(package=dict(name="{name}"))
def main(a, *, b=2):
    print("to stdout", flush=True)
    print("to stderr", file=sys.stderr, flush=True)
    return dict(sum=a + b, name=__name__, argv=sys.argv, cwd=os.getcwd(), stdin=sys.stdin.read(), pid1=os.getpid() == 1)

@Containerize(package=dict(name="{name}"))
async def later(x):
    return x

@Containerize(package=dict(name="{name}"), runtime=dict(hardened=True, call_format="pickle"))
def moved(point):
    return Point(point.x + 1), os.access("/app", os.W_OK)

@Containerize(package=dict(name="{name}"), runtime=dict(mounts=["{name}:/tmp"], call_limit="64m"))
def large(n):
    return "x" * n

@Containerize(package=dict(name="{name}"), runtime=dict(grace_seconds=2))
def end(how):
    if how == "raise":
        raise KeyError("a", 1)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "wait":
        print("waiting", flush=True)
        time.sleep(3600)
    if how == "closed":
        os.close(1), os.close(2)
    return how

if __name__ == "__main__":
    main(1)
"""

CALLER = """\
import asyncio, json, sys, traceback
from buildr.errors import *
import {module} as work

def told(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return [type(error).__name__, str(error), str(error.__cause__)]

async def many():
    return [x async for x in work.later.map(range(2), concurrency=2)]

out = dict(
    main=work.main.remote(1, b=4),
    moved=(lambda pair: [pair[0].x, pair[1]])(work.moved.remote(work.Point(1))),
    large=len(work.large.remote(20_000_000)),
    failed=told(work.end.remote, "raise"),
    killed=told(work.end.remote, "kill"),
    map=list(work.end.map(["a", "closed"], concurrency=2)),
    many=asyncio.run(many()),
)
json.dump(out, open("out.json", "w"))
"""


@pytest.fixture(scope="module")
def project(engine: Engine) -> Iterator[Site]:
    """A project whose containers have a unique name."""
    for made in site(engine):
        module = module_of(made)
        made.write(
            {
                f"{module}.py": WORK.format(name=made.name),
                "caller.py": CALLER.format(module=module),
            }
        )
        yield made
        assert containers(made) == ""
        engine.cli("volume", "rm", made.name)


def module_of(project: Site) -> str:
    return project.name.replace("-", "_")


def containers(project: Site) -> str:
    """Return the project's existing containers."""
    return project.engine.cli(
        "ps", "--all", "--quiet", "--filter", f"label=buildr.name={module_of(project)}"
    )


@pytest.fixture(scope="module")
def results(project: Site) -> dict[str, Any]:
    """The results of a dozen calls in one process, after a run of the script."""
    run = project.run(f"{module_of(project)}.py")
    assert run.returncode == 0, run.stderr.decode()
    done = project.run("caller.py", stdin=b"the host's input")
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads((project.directory / "out.json").read_bytes())
    return {**found, "stdout": done.stdout, "stderr": done.stderr}


def test_results_return_and_output_goes_to_the_streams_of_the_host(
    project: Site, results: dict[str, Any]
) -> None:
    assert results["main"] == {
        "sum": 5,
        "name": module_of(project),
        "argv": [f"/app/{module_of(project)}.py"],
        "cwd": "/app",
        "stdin": "",
        "pid1": False,
    }
    # Nothing else: the run of the script has built the image.
    assert results["stdout"] == b"to stdout\n"
    written, *said = results["stderr"].split(b"buildr: the decorator asks for more than ")
    assert written == b"to stderr\n"
    # Two other functions show their requests once each, in two lines.
    assert [lines.count(b"\n") for lines in said] == [2, 2]


def test_a_call_that_takes_too_long_is_stopped(project: Site, results: dict[str, Any]) -> None:
    """In a separate process, since it is unknown how much the function has written by then, or whether it has begun."""
    assert results  # builds the image
    module = module_of(project)
    code = (
        f"import {module} as work; from buildr.errors import CallTimeoutError\n"
        "try: work.end.within(0.3).remote('wait')\n"
        "except CallTimeoutError: print('too long')"
    )
    done = project.run("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(
        b"too long\n"
    )  # after the guest's output, whose last line may be incomplete


def test_objects_travel_with_pickle_and_a_read_only_root(
    results: dict[str, Any],
) -> None:
    assert results["moved"] == [2, False]


def test_a_large_result_returns_with_any_mounts(results: dict[str, Any]) -> None:
    assert results["large"] == 20_000_000


def test_exceptions_return_with_their_traceback(results: dict[str, Any]) -> None:
    kind, text, cause = results["failed"]
    assert (kind, text) == ("KeyError", "('a', 1)")
    assert 'raise KeyError("a", 1)' in cause


def test_an_end_without_a_result_is_reported(results: dict[str, Any]) -> None:
    assert results["killed"][:1] == ["RemoteError"]
    assert "was killed by SIGKILL before there was a result" in results["killed"][1]


def test_map_returns_results_in_order(results: dict[str, Any]) -> None:
    assert results["map"] == ["a", "closed"]  # results need no output
    assert results["many"] == [0, 1]


def test_ctrl_c_stops_the_guest_and_raises_keyboard_interrupt(
    project: Site, results: dict[str, Any]
) -> None:
    code = (
        f"import {module_of(project)} as work\n"
        "try: work.end.remote('wait')\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    with project.engine.popen(sys.executable, "-c", code, cwd=project.directory) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        process.send_signal(2)
        out, errors = process.communicate()
    assert (process.returncode, out) == (0, b"interrupted\n"), errors.decode()
    assert containers(project) == ""
    assert results  # builds the image
