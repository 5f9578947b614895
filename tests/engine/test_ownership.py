"""Only what is provably ours is removed: commits, hostile images, other machines, forwarded sockets."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.engine.harness import give, podman_service

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.harness import Engine

SECONDS = 60  # longer than any wait here
NOBODY = 65534

SCRIPT = """\
import sys, time
print("ready", flush=True)
if sys.argv[1:] == ["wait"]:
    time.sleep(600)
sys.exit(int((sys.argv[1:] or ["0"])[0]))
"""


class Site:
    """A project on an engine, seen from a machine.

    Attributes:
        engine: the engine.
        project: the project's directory.
        name: the unique name of the project's runs.
        script: the path of the project's script.
        tag: a name for an image of the test.
    """

    def __init__(self, engine: Engine, project: Path) -> None:
        self.engine = engine
        self.project = project
        self.name = f"owned{uuid4().hex[:12]}"
        self.script = f"{self.name}.py"
        self.tag = f"localhost/test-ownership:{self.name}"
        (project / self.script).write_text(SCRIPT)
        give(engine, project)

    def machine(self, name: str) -> dict[str, str]:
        """Return the environment of another machine of the same user, with its own cache and key."""
        place = self.project.parent / name
        place.mkdir(exist_ok=True)
        give(self.engine, place)
        return {"XDG_STATE_HOME": str(place / "state"), "XDG_CACHE_HOME": str(place / "cache")}

    def buildr(self, *words: str, at: str = "here") -> subprocess.CompletedProcess[bytes]:
        """Run a command of Buildr on a machine."""
        return self.engine.python("-m", "buildr", *words, cwd=self.project, env=self.machine(at))

    def attack(self, *, at: str = "here") -> None:
        """Run everything that removes leftovers, and wait until housekeeping is done, too."""
        backend = ("--backend", self.engine.backend)
        killed = f"import os; from buildr.host.marks import Mark; mark = Mark('run', '{self.engine.backend}', 'x'); os.kill(os.getpid(), 9)"
        self.engine.python("-c", killed, cwd=self.project, env=self.machine(at))
        assert self.buildr("run", self.script, at=at).returncode == 0
        marks = self.project.parent / at / "cache" / "buildr" / "marks"
        deadline = time.monotonic() + SECONDS
        while os.listdir(marks):  # housekeeping removes the mark at its end
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.buildr("stop", "--all", *backend, at=at)
        self.buildr("prune", *backend, at=at)

    def await_housekeeping(self) -> None:
        """Wait until no process of Buildr is running for any of the machines."""
        for path in self.project.parent.glob("*/cache/buildr/housekeeping/*-lock"):
            with path.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)

    def runs(self, container: str) -> bool:
        """Return whether a container is running."""
        words = ("inspect", "--format", "{{.State.Running}}", container)
        return self.engine.cli("container", *words).strip() == "true"

    def listed(self, *, at: str = "here") -> dict[str, str]:
        """Return the state of host processes in `buildr ps`, by container."""
        done = self.buildr("ps", "--json", "--backend", self.engine.backend, at=at)
        return {run["container"]: run["host"] for run in json.loads(done.stdout)}

    def start(self, image: str, *words: str) -> str:
        """Start a container with the engine's own command; return its id."""
        sleep = ("--entrypoint", "sleep", image, "900")
        mine = ("--label", f"test={self.name}")
        return self.engine.cli("run", "--detach", *mine, *words, *sleep).strip()

    def containers(self) -> set[str]:
        """Return the ids of all containers of this test."""
        words = ("ps", "--all", "--quiet", "--no-trunc", "--filter")
        labels = (f"label=buildr.name={self.name}", f"label=test={self.name}")
        return {id_ for label in labels for id_ in self.engine.cli(*words, label).split()}


@pytest.fixture
def site(engine: Engine, project: Path) -> Iterator[Site]:
    found = Site(engine, project)
    try:
        yield found
    finally:
        found.await_housekeeping()
        for container in found.containers():
            engine.cli("rm", "--force", container)
        for image in (found.tag, f"localhost/buildr/{found.name}"):
            with contextlib.suppress(AssertionError):
                engine.cli("rmi", "--force", image)


def test_the_shell_recommended_by_keep_survives_later_runs(site: Site) -> None:
    done = site.buildr("run", "--keep", site.script, "3")
    assert done.returncode == 3, done.stderr
    kept = re.search(rb"commit ([0-9a-f]+)", done.stderr)
    assert kept is not None
    container = kept[1].decode()
    name = site.engine.cli("container", "inspect", "--format", "{{.Name}}", container)
    site.engine.cli("commit", container, site.tag)
    shell = site.start(site.tag)
    site.attack()
    assert site.runs(shell)
    # Nor a container with the name of the kept one.
    again = site.start(site.tag, "--name", name.strip().removeprefix("/"))
    site.attack()
    assert site.runs(again)
    assert not {shell, again} & set(site.listed())


def test_a_container_of_a_hostile_image_is_left_alone(site: Site) -> None:
    """Its labels claim that it is a leftover of a run, and that runs must not be cleaned up."""
    labels = {
        "buildr.run": "0" * 32,
        "buildr.uid": str(site.engine.uid),
        "buildr.pid": "1",
        "buildr.started": "1",
        "buildr.boot": "x",
        "buildr.role": "run",
        "buildr.proof": "0" * 32,
        "buildr.keep": "1",
        "buildr.detach": "1",
        "buildr.restart": "always",
    }
    given = [word for label, value in labels.items() for word in ("--label", f"{label}={value}")]
    origin = site.engine.cli("create", *given, site.engine.base_image, "true").strip()
    site.engine.cli("commit", origin, site.tag)
    site.engine.cli("rm", origin)
    theirs = site.start(site.tag)
    site.attack()
    assert site.runs(theirs)
    assert theirs not in site.listed()
    # A run of that image is cleaned up like any other run.
    done = site.buildr("run", "--base-image", site.tag, site.script, "4")
    assert done.returncode == 4, done.stderr
    assert site.containers() == {theirs}


def test_two_machines_on_one_engine_leave_each_other_s_runs_alone(site: Site) -> None:
    words = ("-m", "buildr", "run", "--grace-seconds", "1", site.script, "wait")
    one = site.engine.popen(sys.executable, *words, cwd=site.project, env=site.machine("one"))
    with one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"ready\n"
        (live,) = site.containers()
        site.attack(at="another")
        assert site.runs(live)
        assert site.listed(at="another")[live] == "another machine"
        refused = site.buildr("stop", live, "--backend", site.engine.backend, at="another")
        assert b"was started on another machine" in refused.stderr
        assert site.runs(live)
        assert site.listed(at="one")[live] == "alive"
        one.send_signal(signal.SIGINT)
        assert one.wait() == 0
    assert not site.containers()


def test_a_run_from_before_the_key_was_lost_is_left_alone(site: Site) -> None:
    assert site.buildr("run", "--detach", site.script, "wait").returncode == 0
    (live,) = site.containers()
    (site.project.parent / "here" / "state" / "buildr" / "key").unlink()
    site.attack()
    assert site.runs(live)
    assert site.listed()[live] == "another machine"


# Forwarded sockets --------------------------------------------------------------------------------------


@contextlib.contextmanager
def forwarded(path: Path, upstream: str, uid: int) -> Iterator[str]:
    """Forward a socket like ``ssh -L``: the forwarder listens, not the engine."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o666)
    os.seteuid(uid)  # listen(2) records the owner
    try:
        listener.listen()
    finally:
        os.seteuid(0)

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            while True:
                here = stack.enter_context(listener.accept()[0])
                there = stack.enter_context(socket.socket(socket.AF_UNIX))
                there.connect(upstream)
                for pair in ((here, there), (there, here)):
                    thread = threading.Thread(target=pass_on, args=pair)
                    thread.start()
                    stack.callback(thread.join)

    server = threading.Thread(target=serve)
    server.start()
    try:
        yield f"unix://{path}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        server.join()
        listener.close()


@contextlib.contextmanager
def serving(engine: Engine, path: Path) -> Iterator[str]:
    """Yield the path of a socket of the engine."""
    if engine.backend == "docker":
        yield engine.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix(
            "unix://"
        )
        return
    with podman_service(engine, path):
        yield str(path)


@pytest.mark.skipif(os.getuid() != 0, reason="creating a socket as another user needs root")
@pytest.mark.parametrize("uid", [0, NOBODY])
def test_the_owner_of_a_forwarded_socket_says_nothing_about_the_engine(
    site: Site, uid: int
) -> None:
    engine, place = site.engine, site.project.parent / "sockets"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    code = (
        "import sys; from buildr.engines.registry import Choice, load; from buildr.engines.records import Target\n"
        "backend = load(Choice(name=sys.argv[1], origin=''))(Target(endpoint=sys.argv[2]))\n"
        "print(backend.info.rootless, backend.info.remote)"
    )
    with (
        serving(engine, place / "engine.sock") as upstream,
        forwarded(place / f"forwarded-{uid}.sock", upstream, uid) as url,
    ):
        words = ("-c", code, engine.backend, url)
        done = engine.python(*words, cwd=site.project, env=site.machine("here"))
    assert done.stdout.split() == [str(engine.name == "podman-rootless").encode(), b"False"]
