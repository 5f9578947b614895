"""A full engine store: a separate engine whose store is a small tmpfs."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from tests.faults.bench import SECONDS, end
from tests.faults.trials import HOST, LOST, STATUS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.bench import Bench

_ROOM_BYTES = 4 << 20  # room for an image's records, but not for the changes
_CHANGE_BYTES = 64 << 20
_LARGE = "size=2g"
_BRIDGE = f"bfull{os.getpid()}"  # at most 15 characters
_NETWORK = "10.199.0.1/24"  # no packet leaves the bridge


def store_full(bench: Bench) -> list[str]:
    """The engine's store has no room for an image: an error says so, and with more room the next run succeeds."""
    # Another path each time: rootless Podman's mount namespace keeps earlier mounts.
    place = bench.top / f"store-{secrets.token_hex(4)}"
    place.mkdir()
    options = f"{_LARGE},mode=0755,uid={bench.engine.uid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True)
    try:
        with _engine(bench, place) as env:
            used = shutil.disk_usage(place).used
            _resize(place, f"size={used + _ROOM_BYTES}")
            # More than the engine may still free.
            bench.change(_CHANGE_BYTES)
            status, _, errors = end(bench.start("status", str(STATUS), proxied=False, env=env))
            reported = status == LOST and b"no space left" in errors and HOST not in errors
            problems = [] if reported else [f"wrong: {status} {errors[-400:]!r}"]
            _resize(place, _LARGE)
            status, _, errors = end(bench.start("status", str(STATUS), proxied=False, env=env))
            problems += [] if status == STATUS else [f"wrong: with room {status} {errors[-400:]!r}"]
        bench.run("status", "0")  # later faults use the engine's regular store
        return problems + [f"leaked: file {name}" for name in bench.left_files()]
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _resize(place: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{size}", place], check=True)


@contextlib.contextmanager
def _engine(bench: Bench, place: Path) -> Iterator[dict[str, str]]:
    """Start the same engine with a separate store that holds the base image; yield the variables that select it."""
    path = bench.top / "run" / "full.sock"
    start = _podman if bench.engine.backend == "podman" else _docker
    with start(bench, place, path) as env:
        name = shlex.quote(bench.engine.base_image)
        command = f"{bench.engine.backend} save {name} | env {shlex.join(env)} {bench.engine.backend} load"
        done = bench.engine.run("sh", "-c", command, cwd=bench.directory)
        assert done.returncode == 0, done.stderr.decode()
        variable = "CONTAINER_HOST" if bench.engine.backend == "podman" else "DOCKER_HOST"
        yield {variable: f"unix://{path}"}


@contextlib.contextmanager
def _podman(bench: Bench, place: Path, path: Path) -> Iterator[list[str]]:
    configuration = bench.top / "run" / "storage.conf"
    configuration.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{place}/root"\nrunroot = "{place}/run"\n'
        f'rootless_storage_path = "{place}/root"\n'
    )
    name = "CONTAINERS_STORAGE_CONF"
    service = bench.service(path, {name: str(configuration)})
    try:
        yield [f"{name}={configuration}"]
    finally:
        service.terminate()
        service.wait()


@contextlib.contextmanager
def _docker(bench: Bench, place: Path, path: Path) -> Iterator[list[str]]:
    roots = ("--data-root", f"{place}/data", "--exec-root", f"{bench.top}/run/dockerd")
    # A separate bridge; without one it would remove that of another dockerd.
    network = ("--bridge", _BRIDGE, "--iptables=false", "--ip6tables=false")
    subprocess.run(["ip", "link", "delete", _BRIDGE], check=False, capture_output=True)
    for words in (
        ("link", "add", _BRIDGE, "type", "bridge"),
        ("addr", "add", _NETWORK, "dev", _BRIDGE),
    ):
        subprocess.run(["ip", *words], check=True)
    pid = ("--pidfile", f"{bench.top}/run/dockerd.pid")
    with (bench.top / "run" / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd", *roots, *network, *pid, "--host", f"unix://{path}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        address = {**os.environ, "DOCKER_HOST": f"unix://{path}"}
        deadline = time.monotonic() + SECONDS
        while subprocess.run(
            ["docker", "version"], env=address, capture_output=True, check=False
        ).returncode:
            assert daemon.poll() is None, (bench.top / "run" / "dockerd.log").read_text()[-2000:]
            assert time.monotonic() < deadline
        yield [f"DOCKER_HOST=unix://{path}"]
    finally:
        daemon.terminate()
        daemon.wait(SECONDS)
        subprocess.run(["ip", "link", "delete", _BRIDGE], check=True)
