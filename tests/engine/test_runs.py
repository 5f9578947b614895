"""The commands over the runs that there are, on real engines, also for runs whose host process was killed."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

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
        yield found


def buildr(site: Site, *words: str) -> subprocess.CompletedProcess[bytes]:
    return site.engine.python("-m", "buildr", *words, cwd=site.directory)


def runs(site: Site) -> list[dict[str, Any]]:
    """Return what `buildr ps` lists of this project: other tests run beside this one."""
    done = buildr(site, "ps", "--json")
    assert done.returncode == 0, done.stderr.decode()
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [run for run in found if run["name"] == site.name]


def start(site: Site) -> subprocess.Popen[bytes]:
    process = site.engine.popen(sys.executable, f"{site.name}.py", "wait", cwd=site.directory)
    assert process.stdout is not None
    assert process.stdout.readline() == b"out\n", process.communicate()
    return process


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill a host process and its watchdog, so that nobody cleans up."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        if b"watchdog.py" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)
    process.kill()
    process.communicate()


def test_a_live_run_is_listed_read_and_stopped(site: Site) -> None:
    process = start(site)
    (run,) = runs(site)
    assert run["host"] == "alive"
    assert run["pid"] == process.pid
    assert run["running"]
    assert run["engine"] == site.engine.backend
    # Ended runs are of no use to `prune`, and live ones none of its business.
    assert buildr(site, "prune").returncode == 0
    logs = buildr(site, "logs", run["run"][:12])
    assert (logs.stdout, logs.stderr, logs.returncode) == (b"out\n", b"err\n", 0)
    follower = site.engine.popen(
        *(sys.executable, "-m", "buildr", "logs", "--follow", site.name), cwd=site.directory
    )
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"out\n"
    stopped = buildr(site, "stop", site.name)
    assert stopped.returncode == 0, stopped.stderr.decode()
    assert stopped.stdout.decode().strip() == run["run"][:12]
    process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
    assert follower.communicate(timeout=SECONDS)[0] == b"last\n"
    assert follower.returncode == 0
    assert runs(site) == []


def test_a_run_whose_host_process_was_killed_is_read_and_stopped(site: Site) -> None:
    kill_all(start(site))
    (run,) = runs(site)
    assert (run["host"], run["running"]) == ("gone", True)
    assert buildr(site, "logs", site.name).stdout == b"out\n"
    stopped = buildr(site, "stop", run["container"][:12])
    assert stopped.returncode == 0, stopped.stderr.decode()
    assert runs(site) == []


def test_prune_removes_what_was_left_behind_and_no_live_run(site: Site) -> None:
    live = start(site)
    kill_all(start(site))
    assert sorted(run["host"] for run in runs(site)) == ["alive", "gone"]
    done = buildr(site, "prune")
    assert done.returncode == 0, done.stderr.decode()
    assert f"({site.name}; its host process" in done.stdout.decode()
    (run,) = runs(site)
    assert run["pid"] == live.pid
    live.send_signal(signal.SIGINT)
    live.communicate(timeout=SECONDS)
    assert live.returncode == 0
