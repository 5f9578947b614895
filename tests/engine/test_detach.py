"""Detached runs on real engines."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
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
signal.signal(signal.SIGTERM, lambda *_: sys.exit("last"))  # the text goes to standard error
server = socket.create_server(("", 8000))
print("out", repr(sys.stdin.read()), sys.stdout.isatty(), flush=True)
print("err", file=sys.stderr, flush=True)
while sys.argv[1:] == ["serve"]:
    server.accept()[0].sendall(b"hello")
sys.exit(3)
"""

HEALTH = {
    "command": ["python", "-c", "pass"],
    "interval": 0.5,
}

SERVER = """\
while not pathlib.Path("/tmp/go").exists():
    time.sleep(0.02)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204 if self.path == "/health" else 500)
        self.end_headers()
server = http.server.HTTPServer(("", 8000), Handler)
print("listening", flush=True)
server.serve_forever()
"""
"""Listens once a file exists in its container."""

AGAIN = """\
import pathlib, sys, threading
if pathlib.Path("/tmp/started").exists():
    print("second", flush=True)
    threading.Event().wait()
pathlib.Path("/tmp/started").touch()
sys.exit(3)
"""
"""Its first start fails; the container keeps its files between starts."""


@pytest.fixture(scope="module")
def site(engine: Engine) -> Iterator[Site]:
    for found in make_site(engine):
        imports = "import signal, socket, sys"
        runtime = {"ports": ["0:8000"], "detach": True, "healthcheck": HEALTH}
        found.script(WORK, imports=imports, runtime=runtime, path=f"{found.name}.py")
        yield found


def buildr(site: Site, *words: str) -> subprocess.CompletedProcess[bytes]:
    return site.engine.python("-m", "buildr", *words, cwd=site.directory)


def runs(site: Site) -> list[dict[str, Any]]:
    """Return the runs of this project in `buildr ps`, since other tests run at the same time."""
    done = buildr(site, "ps", "--json")
    assert done.returncode == 0, done.stderr.decode()
    return [run for run in json.loads(done.stdout) if run["name"] == site.name]


def test_a_detached_run_is_reachable_followed_and_stopped(site: Site) -> None:
    done = site.engine.python(f"{site.name}.py", "serve", cwd=site.directory)
    assert done.returncode == 0, done.stderr.decode()
    (run,) = runs(site)
    assert done.stdout.decode() == f"{run['run']}\n"
    assert (run["detached"], run["running"], run["exit_code"]) == (True, True, None)
    follower = site.engine.popen(
        *(sys.executable, "-m", "buildr", "logs", "-f", run["run"][:12]), cwd=site.directory
    )
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"out '' False\n"
    assert run["container"][:12] not in buildr(site, "prune", "--dry-run").stdout.decode()
    (port,) = re.findall(
        r"port 8000/tcp of the guest is 127\.0\.0\.1:(\d+) here", done.stderr.decode()
    )
    with socket.create_connection(("127.0.0.1", int(port)), SECONDS) as connection:
        assert connection.recv(16) == b"hello"
    until_healthy(site, run["container"])
    stopped = buildr(site, "stop", run["run"])
    assert stopped.returncode == 0, stopped.stderr.decode()
    assert follower.communicate(timeout=SECONDS) == (b"", b"err\nlast\n")
    assert follower.returncode == 0
    assert runs(site) == []


def test_an_exited_run_keeps_its_status_until_it_is_removed(site: Site) -> None:
    started = buildr(site, "run", "--name", site.name, "-q", "-d", f"{site.name}.py")
    assert (started.returncode, started.stderr) == (0, b"")
    (run,) = runs(site)
    site.engine.cli("wait", run["container"])
    # The sweep of the next run does not remove it.
    site.script("sys.exit(4)", imports="import sys", path="attached.py")
    attached = buildr(site, "run", "-q", "attached.py")
    assert attached.returncode == 4
    (run,) = runs(site)
    assert (run["status"], run["exit_code"], run["host"]) == ("exited", 3, "detached")
    logs = buildr(site, "logs", run["run"])
    assert (logs.stdout, logs.stderr) == (b"out '' False\n", b"err\n")
    assert f"container {run['container'][:12]} ({site.name}; detached, and it has ended)" in (
        buildr(site, "prune", "--dry-run").stdout.decode()
    )
    assert buildr(site, "stop", started.stdout.decode().strip()).returncode == 0
    assert runs(site) == []


def test_stop_ends_a_run_with_a_restart_policy(site: Site) -> None:
    site.write({"again.py": AGAIN})
    options = ("--name", site.name, "-q", "-d", "--restart", "on-failure:2")
    started = buildr(site, "run", *options, "again.py")
    assert started.returncode == 0, started.stderr.decode()
    run_id = started.stdout.decode().strip()
    deadline = time.monotonic() + SECONDS
    while b"second\n" not in lines_until(
        site, run_id, b"second\n"
    ):  # Podman's log may end with the first exit
        assert time.monotonic() < deadline
    found = json.loads(buildr(site, "ps", "--json").stdout)
    (run,) = [one for one in found if one["run"] == run_id]
    assert (run["detached"], run["running"]) == (True, True)
    assert run["container"][:12] not in buildr(site, "prune", "--dry-run").stdout.decode()
    stopped = buildr(site, "stop", run_id)
    assert stopped.returncode == 0, stopped.stderr.decode()
    assert run["container"] not in site.engine.containers()


@pytest.mark.parametrize(
    "conditions", [("port:8000",), ("http:8000/health",), ("log:^listening$", "healthy")]
)
def test_a_run_is_reported_as_ready_only_when_it_is(
    site: Site, conditions: tuple[str, ...]
) -> None:
    name = f"{site.name}-ready"
    health = {"command": "test -e /tmp/go", "interval": 0.5, "retries": 1000}
    runtime = {"detach": True, "ports": ["0:8000"], "healthcheck": health, "wait_for": conditions}
    imports = "import http.server, pathlib, time"
    site.script(SERVER, imports=imports, runtime=runtime, path=f"{name}.py")
    host = site.engine.popen(sys.executable, f"{name}.py", cwd=site.directory)
    assert host.stdout is not None
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + SECONDS
    while not found:
        assert time.monotonic() < deadline
        assert host.poll() is None, host.communicate()
        listed = json.loads(buildr(site, "ps", "--json").stdout)
        found = [one for one in listed if one["name"] == name and one["running"]]
    (run,) = found
    # The engine's proxy already accepts connections; nothing in the container does.
    site.engine.cli("exec", run["container"], "true")
    assert host.poll() is None
    site.engine.cli("exec", run["container"], "touch", "/tmp/go")
    out, err = host.communicate(timeout=SECONDS)
    assert (host.returncode, out.decode()) == (0, f"{run['run']}\n"), err.decode()
    stopped = buildr(site, "stop", run["run"])
    assert stopped.returncode == 0, stopped.stderr.decode()


def until_healthy(site: Site, container: str) -> None:
    """Wait until a container is healthy. Podman leaves health checks to systemd, so run them explicitly."""
    if site.engine.backend == "podman":
        site.engine.cli("healthcheck", "run", container)
        return
    deadline = time.monotonic() + SECONDS
    while site.engine.cli("inspect", "-f", "{{.State.Health.Status}}", container) != "healthy\n":
        assert time.monotonic() < deadline


def lines_until(site: Site, run_id: str, wanted: bytes) -> list[bytes]:
    """Follow a run's log up to a line, or to the end."""
    found: list[bytes] = []
    with site.engine.popen(
        *(sys.executable, "-m", "buildr", "logs", "-f", run_id), cwd=site.directory
    ) as follower:
        assert follower.stdout is not None
        for line in follower.stdout:
            found.append(line)
            if line == wanted:
                break
        follower.terminate()
    return found


def test_a_run_that_cannot_start_says_why_and_leaves_nothing(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        words = ("--name", site.name, "-d", "-p", f"{port}:80", f"{site.name}.py")
        done = buildr(site, "run", *words)
    assert (done.returncode, done.stdout) == (125, b"")
    assert "Another program holds that port" in done.stderr.decode()
    assert runs(site) == []
