"""The commands that list and manage runs, including runs whose host process was killed."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildr.host import cache
from buildr.leftovers import tasks
from tests.engine.harness import give
from tests.engine.images import Site
from tests.engine.images import site as make_site

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.engine.harness import Engine

SECONDS = 120

WORK = """\
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("last") or 143))
print("out", flush=True)
print("err", file=sys.stderr, flush=True)
if sys.argv[1:] == ["wait"]:
    signal.pause()
"""


@pytest.fixture(scope="module")
def site(engine: Engine) -> Iterator[Site]:
    for found in make_site(engine):
        found.script(WORK, imports="import signal, sys", path=f"{found.name}.py")
        for path in map(Path, own(found).values()):
            path.mkdir()
            give(engine, path)
        yield found


def own(site: Site) -> dict[str, str]:
    """Return an environment with its own key: for all others on the engine, its runs belong to another machine.

    So other sweeps do not remove what these tests leave behind on purpose, and `prune` here removes nothing of other
    tests.
    """
    names = ("XDG_STATE_HOME", "XDG_CACHE_HOME")
    return {name: str(site.directory.parent / name) for name in names}


def buildr(site: Site, *words: str) -> subprocess.CompletedProcess[bytes]:
    return site.engine.python("-m", "buildr", *words, cwd=site.directory, env=own(site))


def runs(site: Site) -> list[dict[str, Any]]:
    """Return the runs of this project in `buildr ps`, since other tests run at the same time."""
    done = buildr(site, "ps", "--json")
    assert done.returncode == 0, done.stderr.decode()
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [run for run in found if run["name"] == site.name]


def run_of(site: Site, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Return the run of a host process."""
    (found,) = (run for run in runs(site) if run["pid"] == process.pid)
    return found


def start(site: Site) -> subprocess.Popen[bytes]:
    command = (sys.executable, f"{site.name}.py", "wait")
    process = site.engine.popen(*command, cwd=site.directory, env=own(site))
    assert process.stdout is not None
    assert process.stdout.readline() == b"out\n", process.communicate()
    return process


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill a host process and its watchdog, so that nothing is cleaned up."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        if b"buildr.run.watchdog" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)
    process.kill()
    process.communicate()


@pytest.fixture
def no_housekeeping(site: Site) -> Iterator[None]:
    """Hold the lock of housekeeping: an earlier run may have started it, and it would remove what a test checks."""
    folder = Path(own(site)["XDG_CACHE_HOME"], "buildr", tasks.FOLDER)
    for path in (folder.parent, folder):
        path.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{cache.key(site.engine.backend)[:8]}-lock"
    with path.open("a") as lock:
        path.chmod(0o600)
        give(site.engine, folder.parent)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_live_run_is_listed_read_and_stopped(site: Site) -> None:
    process = start(site)
    run = run_of(site, process)
    assert run["host"] == "alive"
    assert run["running"]
    assert run["engine"] == site.engine.backend
    # `prune` removes neither finished nor live runs.
    assert buildr(site, "prune").returncode == 0
    logs = buildr(site, "logs", run["run"][:12])
    assert (logs.stdout, logs.stderr, logs.returncode) == (b"out\n", b"err\n", 0)
    command = (sys.executable, "-m", "buildr", "logs", "--follow", run["run"])
    follower = site.engine.popen(*command, cwd=site.directory, env=own(site))
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"out\n"
    stopped = buildr(site, "stop", run["run"])
    assert stopped.returncode == 0, stopped.stderr.decode()
    assert stopped.stdout.decode().strip() == run["run"][:12]
    process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
    assert follower.communicate(timeout=SECONDS)[0] == b"last\n"
    assert follower.returncode == 0
    assert run["run"] not in {left["run"] for left in runs(site)}


@pytest.mark.usefixtures("no_housekeeping")
def test_a_run_whose_host_process_was_killed_is_read_and_stopped(site: Site) -> None:
    process = start(site)
    kill_all(process)
    run = run_of(site, process)
    assert (run["host"], run["running"]) == ("gone", True)
    assert buildr(site, "logs", run["run"]).stdout == b"out\n"
    stopped = buildr(site, "stop", run["container"][:12])
    assert stopped.returncode == 0, stopped.stderr.decode()
    assert run["run"] not in {left["run"] for left in runs(site)}


@pytest.mark.usefixtures("no_housekeeping")
def test_prune_removes_leftovers_and_no_live_run(site: Site) -> None:
    live = start(site)
    killed = start(site)
    kill_all(killed)
    assert (run_of(site, live)["host"], run_of(site, killed)["host"]) == ("alive", "gone")
    done = buildr(site, "prune")
    assert done.returncode == 0, done.stderr.decode()
    assert f"({site.name}; its host process" in done.stdout.decode()
    assert run_of(site, live)["host"] == "alive"
    assert killed.pid not in {run["pid"] for run in runs(site)}
    live.send_signal(signal.SIGINT)
    live.communicate(timeout=SECONDS)
    assert live.returncode == 0
