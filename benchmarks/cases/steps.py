"""The floor: what each step of a run costs at the engine's socket, without Buildr."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench import PREFIX
from benchmarks.engines import BenchmarkError, program
from benchmarks.rawhttp import Connection
from benchmarks.results import Measure, series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench
    from benchmarks.engines import Engine

_SECONDS = 20.0
_STREAMS = "stream=1&stdin=1&stdout=1&stderr=1"
_ORDER = (
    "connect and ping",
    "look up the image",
    "create",
    "attach",
    "start",
    "first output",
    "end of the output",
    "status known",
    "remove",
    "all",
)


def steps(bench: Bench) -> Iterator[Measure]:
    """A container of the small project's image, run step by step."""
    project = bench.project("small")
    bench.buildr(project)
    image = f"localhost/buildr/{PREFIX}small"
    found: dict[str, list[float]] = {name: [] for name in _ORDER}
    with _socket(bench.engine) as path:
        for count in range(bench.pairs + 1):
            times = _once(path, bench.engine.backend, image)
            for name, value in times.items():
                if count:  # the first round is a warm-up
                    found[name].append(1000 * value)
    for number, (name, values) in enumerate(found.items()):
        yield Measure(
            case="steps",
            name=f"{number:02} {name}",
            engine=bench.engine.name,
            title=name,
            unit="ms",
            ours=series("engine", values),
        )


def _once(path: str, backend: str, image: str) -> dict[str, float]:
    podman = backend == "podman"
    prefix = "/v4.0.0/libpod" if podman else ""
    body: dict[str, Any] = (
        {"image": image, "stdin": True}
        if podman
        else {
            "Image": image,
            "OpenStdin": True,
            "StdinOnce": True,
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
        }
    )
    times: dict[str, float] = {}
    start = last = time.perf_counter()

    def step(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        times[name] = now - last
        last = now

    with contextlib.ExitStack() as stack:
        control = stack.enter_context(Connection(path))
        control.ask("GET", f"{prefix}/_ping")
        step("connect and ping")
        control.ask("GET", f"{prefix}/images/{image}/json")
        step("look up the image")
        answer = control.ask("POST", f"{prefix}/containers/create", body)
        container = answer["Id"]
        step("create")
        attached = stack.enter_context(Connection(path))
        attached.upgrade(f"{prefix}/containers/{container}/attach?{_STREAMS}")
        step("attach")
        attached.end_input()
        control.ask("POST", f"{prefix}/containers/{container}/start")
        step("start")
        attached.receive()
        step("first output")
        while attached.receive():
            pass
        step("end of the output")
        while (state := control.ask("GET", f"{prefix}/containers/{container}/json")["State"])[
            "Status"
        ] in ("running", "stopping"):
            time.sleep(0.001)
        step("status known")
        if state["ExitCode"] != 0:
            raise BenchmarkError(f"the container ended with {state['ExitCode']}")
        control.ask("DELETE", f"{prefix}/containers/{container}?force=1&v=1")
        step("remove")
        times["all"] = last - start
    return times


@contextlib.contextmanager
def _socket(engine: Engine) -> Iterator[str]:
    """Yield the path of the engine's socket. For Podman, start a private service."""
    if engine.backend == "docker":
        yield engine.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix(
            "unix://"
        )
        return
    with tempfile.TemporaryDirectory(prefix="bb-", dir="/tmp") as directory:  # short
        engine.give(Path(directory))
        path = f"{directory}/s"
        process = subprocess.Popen(
            (program("podman"), "system", "service", "--time=0", f"unix://{path}"),
            cwd="/",
            env=dict(engine.environ),
            stdin=subprocess.DEVNULL,
            **engine.identity(),
        )
        try:
            until = time.monotonic() + _SECONDS
            while not os.path.exists(path):
                if process.poll() is not None or time.monotonic() > until:
                    raise BenchmarkError("podman system service does not start")
                time.sleep(0.01)
            yield path
        finally:
            process.terminate()
            process.wait()
