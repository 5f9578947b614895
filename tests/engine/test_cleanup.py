"""No container outlives its host process, however that ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import fresh_runtime_directory, give

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.engine.harness import Engine

SECONDS = 60  # longer than any grace period here

APP = """\
import sys, time
from buildr import Containerize

@Containerize(runtime={"grace_seconds": 1})
def main():
    print("ready")
    if sys.argv[1:] == ["wait"]:
        time.sleep(600)

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def running(engine: Engine, project: Path) -> Iterator[tuple[subprocess.Popen[bytes], set[str]]]:
    """A run whose guest has started, and the containers from before."""
    (project / "app.py").write_text(APP)
    before = engine.containers()
    with engine.popen(sys.executable, "app.py", "wait", cwd=project) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process, before
        finally:
            process.kill()


@pytest.fixture
def runtime_directory(engine: Engine) -> Iterator[Path]:
    yield from fresh_runtime_directory(engine)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def await_end_of(left: Callable[[], object]) -> None:
    """Wait until nothing is left. Each iteration runs an engine command, so this is not a busy loop."""
    deadline = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(AssertionError):  # Podman fails to list while it removes one
            if not (found := left()):
                return
        assert time.monotonic() < deadline, f"still there: {found}"


def child_of(process: subprocess.Popen[bytes], word: bytes) -> int:
    """Return the child process with a word in its command line."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        if word in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError(f"there is no child with {word!r}")


def test_the_watchdog_removes_the_container_of_a_killed_host_process(
    engine: Engine, running: tuple[subprocess.Popen[bytes], set[str]]
) -> None:
    process, before = running
    kill(process)
    await_end_of(lambda: engine.containers() - before)


def test_the_next_run_sweeps_what_the_watchdog_missed(
    engine: Engine, project: Path, running: tuple[subprocess.Popen[bytes], set[str]]
) -> None:
    process, before = running
    os.kill(child_of(process, b"buildr.run.watchdog"), signal.SIGKILL)
    kill(process)
    assert engine.containers() - before
    assert engine.python("app.py", cwd=project).returncode == 0
    await_end_of(lambda: engine.containers() - before)


def test_a_run_leaves_other_live_runs_alone(
    engine: Engine, project: Path, running: tuple[subprocess.Popen[bytes], set[str]]
) -> None:
    process, before = running
    assert engine.python("app.py", cwd=project).returncode == 0
    assert len(engine.containers() - before) == 1
    process.send_signal(signal.SIGINT)
    assert process.wait() == 0
    assert not engine.containers() - before


CALL = """\
import time
from buildr import Containerize

@Containerize(runtime={"grace_seconds": 1})
def wait():
    print("ready", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    wait.remote()
"""


def test_a_killed_call_leaves_no_file(engine: Engine, project: Path) -> None:
    temporary = project.parent / "tmp"
    temporary.mkdir()
    (project / "call.py").write_text(CALL)
    give(engine, temporary)
    process = engine.popen(sys.executable, "call.py", cwd=project, env={"TMPDIR": str(temporary)})
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert [path.name for path in temporary.glob("*/calls")] == ["calls"]
    kill(process)
    deadline = time.monotonic() + SECONDS
    while os.listdir(temporary):
        assert time.monotonic() < deadline, os.listdir(temporary)
        time.sleep(0.05)  # a removed folder causes no event here


BUILD = """\
from buildr import Containerize

@Containerize(package={"dockerfile": "Slowly", "verbose": True})
def main():
    print("ran")

main()
"""


def cache_of(engine: Engine, project: Path) -> dict[str, str]:
    """Return an environment in which no other run cleans up after the project's builds."""
    cache = project.parent / "cache"
    cache.mkdir(exist_ok=True)
    give(engine, cache)
    return {"XDG_CACHE_HOME": str(cache)}


def begin_build(
    engine: Engine, project: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a build whose second step does not end, and wait until the step has started."""
    (project / "app.py").write_text(BUILD)
    (project / "Slowly").write_text(
        f"FROM {engine.base_image}\nLABEL test={project.parent.name}\n"
        "RUN echo step has begun && exec sleep 7200\n"
    )
    give(engine, project)
    environ = {**cache_of(engine, project), **(env or {})}
    process = engine.popen(sys.executable, "app.py", cwd=project, env=environ)
    assert process.stderr is not None
    seen = b""
    while b"step has begun" not in (line := process.stderr.readline()) or b"RUN" in line:
        assert line, seen
        seen += line
    return process


def left_of(engine: Engine, project: Path) -> list[str]:
    """Return the untagged images that a project's killed builds left."""
    label = f"label=test={project.parent.name}"
    words = ("images", "--quiet", "--no-trunc", "--filter", "dangling=true", "--filter", label)
    return engine.cli(*words).split()


def test_a_build_ends_with_its_host_process_and_the_next_run_removes_its_images(
    engine: Engine, project: Path
) -> None:
    before = engine.containers()
    kill(begin_build(engine, project))
    await_end_of(lambda: engine.containers() - before)
    # BuildKit keeps a step in its cache, not as an image.
    assert left_of(engine, project) or engine.backend == "docker"
    (project / "Slowly").write_text(f"FROM {engine.base_image}\nCOPY app.py /app/\n")
    done = engine.python("app.py", cwd=project, env=cache_of(engine, project))
    assert done.returncode == 0, done.stderr
    # Runs and housekeeping do not wait for each other. Housekeeping removes the mark last.
    await_end_of(lambda: left_of(engine, project) or marks_of(project))


def marks_of(project: Path) -> list[str]:
    return os.listdir(project.parent / "cache" / "buildr" / "marks")


def test_prune_ends_a_build_whose_guard_was_killed(engine: Engine, project: Path) -> None:
    if engine.backend == "docker":
        pytest.skip("dockerd ends a build without a client")
    before = engine.containers()
    process = begin_build(engine, project)
    os.kill(child_of(process, b"podman.build"), signal.SIGKILL)
    kill(process)
    assert engine.containers() - before
    command = ("-m", "buildr", "prune", "--backend", "podman")
    done = engine.python(*command, cwd=project, env=cache_of(engine, project))
    assert b"removed a build (its host process has gone)" in done.stdout, done.stderr
    await_end_of(lambda: engine.containers() - before)


@pytest.mark.skipif(os.getuid() != 0, reason="creating a pid namespace needs root")
@pytest.mark.parametrize("words", [("prune",), ("prune", "--dry-run"), ("run", "other.py")])
def test_housekeeping_in_another_pid_namespace_leaves_a_build_alone(
    engine: Engine, project: Path, runtime_directory: Path, words: tuple[str, ...]
) -> None:
    """Like a sandbox or devcontainer, with the same home and runtime directory.

    The runtime directory is not that of other tests: in another pid namespace Podman does not find its pause process
    and starts another one; later commands then do not see the network namespaces of running containers.
    """
    if engine.backend == "docker":
        pytest.skip("dockerd ends a build without a client, and only then")
    if engine.uid != 0:
        pytest.skip("rootless Podman would replace the pause process for all other tests")
    env = {"XDG_RUNTIME_DIR": str(runtime_directory)}
    before = engine.containers()
    process = begin_build(engine, project, env)
    try:
        working = engine.containers() - before
        (project / "other.py").write_text("print('other')")
        give(engine, project)
        inside = ("unshare", "--pid", "--fork", "--mount-proc")
        backend = ("--backend", engine.backend)
        buildr = engine.command(sys.executable, "-m", "buildr", words[0], *backend, *words[1:])
        done = subprocess.run(
            (*inside, *buildr),
            cwd=project,
            env={**engine.environ, **cache_of(engine, project), **env},
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert b"a build" not in done.stdout
        assert working
        assert working <= engine.containers()
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 0  # the status after Ctrl+C
    finally:
        kill(process)
    await_end_of(lambda: engine.containers() - before)
