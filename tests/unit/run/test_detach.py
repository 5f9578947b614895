"""Detached containers: their start, messages, and removal."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from buildr import labels
from buildr.cli import app
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec, HealthCheck
from buildr.errors import (
    BackendError,
    CommandNotFoundError,
    ContainerError,
    EngineLostError,
    NotExecutableError,
    OptionError,
)
from buildr.options import runtime_options
from buildr.run import runs
from buildr.run.cleanup import end_run, sweep
from buildr.testing import FakeBackend, run_script, using
from tests.unit import calls, processes
from tests.unit.cli.test_cli_runs import labels_of_a_dead_process
from tests.unit.command import command_project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from click.testing import Result

    from buildr.testing import FakeContainer, ScriptResult

TOOL = "../command/tool.py"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return command_project(tmp_path, monkeypatch, "print('this ran on the host')\n")


def run(backend: FakeBackend, *words: str, stdin: bytes = b"") -> ScriptResult:
    with using(backend):
        return run_script(TOOL, "run", *words, "app.py", stdin=stdin)


def command(backend: FakeBackend, *words: str) -> Result:
    with using(backend):
        return CliRunner().invoke(app, words, prog_name="buildr")


def until_asked(container: FakeContainer) -> int:
    container.signals.catch(signal.SIGTERM)
    return container.signals.wait()


def left(backend: FakeBackend) -> int:
    return sum(not one.removed for one in backend.runs)


def detached(
    backend: FakeBackend, *, started: bool = True, more: Mapping[str, str] = {}
) -> FakeContainer:
    """Return a detached container whose host process has gone."""
    image = backend.add_image("localhost/test:latest")
    given = {**labels_of_a_dead_process(), labels.DETACH: "1", labels.NAME: "app", **more}
    container = backend.create(ownership.signed(ContainerSpec(image=image.id, labels=given)))
    if started:
        backend.start(container)
    return backend.runs[-1]


def ended(backend: FakeBackend, status: int = 0, more: Mapping[str, str] = {}) -> FakeContainer:
    backend.guest = lambda _: status
    container = detached(backend, more=more)
    container.wait()
    return container


# The start ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["-d", "--detach"])
def test_the_id_is_printed_and_the_container_keeps_running(flag: str) -> None:
    backend = FakeBackend(until_asked)
    done = run(backend, flag, stdin=b"nobody reads this")
    (container,) = backend.runs
    run_id = container.spec.labels[labels.RUN]
    assert (done.status, done.stdout.decode()) == (0, f"{run_id}\n")
    assert f"`buildr logs -f {run_id[:12]}`" in done.stderr.decode()
    assert f"`buildr stop {run_id[:12]}`" in done.stderr.decode()
    assert container.running
    assert (container.spec.stdin, container.spec.tty) == (False, False)
    assert "attach" not in backend.operations


def test_with_quiet_only_the_id_is_printed() -> None:
    done = run(FakeBackend(), "-q", "-d")
    assert (len(done.stdout.splitlines()), done.stderr) == (1, b"")


def test_a_guest_that_fails_immediately_counts_as_started() -> None:
    backend = FakeBackend(lambda _: 3)
    assert run(backend, "-d").status == 0
    assert left(backend) == 1


def test_the_port_chosen_by_the_engine_is_reported() -> None:
    backend = FakeBackend(until_asked)
    done = run(backend, "-d", "-p", "0:80")
    (port,) = backend.runs[0].ports
    assert f"port 80/tcp of the guest is 127.0.0.1:{port.host} here" in done.stderr.decode()


def test_a_debugger_may_attach_later() -> None:
    backend = FakeBackend(until_asked)
    done = run(backend, "-d", "--debug", "7000")
    assert done.status == 0
    assert "a debugger attaches at 127.0.0.1:7000" in done.stderr.decode()


def test_small_changes_are_copied_into_a_detached_container_too(project: Path) -> None:
    backend = FakeBackend(until_asked)
    run(backend, "-d")
    (project / "app.py").write_text("print('changed')\n")
    assert run(backend, "-d").status == 0
    assert len(backend.builds) == 1
    assert backend.runs[1].files["/app/app.py"] == b"print('changed')\n"


def test_a_decorated_call_detaches_and_the_script_exits_with_0(tmp_path: Path) -> None:
    script = processes.app("container.signals.wait()", options='runtime={"detach": True}')
    (tmp_path / "app.py").write_text(
        script.replace("with using(backend):", "with using(backend), left():").replace(
            "backend = FakeBackend(guest)",
            "import contextlib\n"
            "@contextlib.contextmanager\n"
            "def left():\n"
            "    try:\n"
            "        yield\n"
            "    finally:\n"
            "        print([run.running for run in backend.runs])\n"
            "backend = FakeBackend(guest)",
        )
    )
    done = processes.python("app.py", cwd=tmp_path)
    run_id, running = done.stdout.decode().splitlines()
    assert (done.returncode, len(run_id), running) == (0, 32, "[True]")


# A start that fails -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "error", "status"),
    [
        ("create", ContainerError("no"), 125),
        ("start", ContainerError("a port is taken"), 125),
        ("start", NotExecutableError("no"), 126),
        ("start", CommandNotFoundError("no"), 127),
        ("start", EngineLostError("gone"), 125),
        ("state", EngineLostError("gone"), 125),  # when the ports are asked for
    ],
)
def test_a_failed_start_leaves_nothing(operation: Any, error: BackendError, status: int) -> None:
    backend = FakeBackend(until_asked)
    assert run(backend, "-d").status == 0  # builds
    backend.fail(operation, error)
    done = run(backend, "-d", "-p", "0:80")
    assert (done.status, done.stdout) == (status, b"")
    assert left(backend) == 1


def test_the_watchdog_waits_for_a_lost_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handed_over: list[bool] = []
    monkeypatch.setattr(
        "buildr.host.guard.Guard.take_over", lambda _, **_how: handed_over.append(True)
    )
    backend = FakeBackend(until_asked)
    backend.fail("start", EngineLostError("gone"))
    backend.fail("remove", EngineLostError("gone"))
    assert run(backend, "-d").status == 125
    assert handed_over == [True]
    # It removes the container whether or not that was started: nothing else knows about it.
    assert len(end_run(backend, backend.runs[0].spec.labels[labels.RUN], 0)) == 1
    assert left(backend) == 0


@pytest.mark.parametrize("moment", ["create", "start"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_before_the_id_is_printed_ends_the_run(
    tmp_path: Path, moment: str, number: int, status: int
) -> None:
    script = processes.app("container.signals.wait()", options='runtime={"detach": True}')
    (tmp_path / "app.py").write_text(
        script.replace(
            "backend = FakeBackend(guest)",
            "import atexit, os\n"
            "class Backend(FakeBackend):\n"
            f"    def {moment}(self, what):\n"
            f"        found = super().{moment}(what)\n"
            f"        os.kill(os.getpid(), {int(number)})\n"
            "        return found\n"
            "backend = Backend(guest)\n"
            "atexit.register(lambda: print([run.removed for run in backend.runs]))",
        )
    )
    done = processes.python("app.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, b"[True]\n")


@pytest.mark.parametrize(("moment", "ends"), [("start", True), ("close", False)])
def test_a_watchdog_ends_the_run_until_the_id_is_printed(
    tmp_path: Path, moment: str, ends: bool
) -> None:
    """The watchdog looks at the engine if its host process is killed, and after the start no more."""
    site = tmp_path / "site"
    (site / "fake-1.dist-info").mkdir(parents=True)
    (site / "fake-1.dist-info" / "METADATA").write_text("Name: fake\nVersion: 1\n")
    (site / "fake-1.dist-info" / "entry_points.txt").write_text(
        "[buildr.backends]\nfake = fake_backend:connect\n"
    )
    (site / "fake_backend.py").write_text(
        "from buildr.testing import FakeBackend\n"
        "def connect(target):\n"
        "    open('witness', 'a').close()\n"
        "    return FakeBackend()\n"
    )
    script = processes.app("container.signals.wait()", options='runtime={"detach": True}')
    arguments = "self" if moment == "close" else "self, what"
    (tmp_path / "app.py").write_text(
        script.replace(
            "backend = FakeBackend(guest)",
            "import os, buildr.host.guard\n"
            "enter = buildr.host.guard.Guard.__enter__\n"
            "def told(self):\n"
            "    entered = enter(self)\n"
            "    print(self._pid, flush=True)\n"
            "    return entered\n"
            "buildr.host.guard.Guard.__enter__ = told\n"
            "class Backend(FakeBackend):\n"
            f"    def {moment}({arguments}):\n"
            "        os.kill(os.getpid(), signal.SIGKILL)\n"
            "backend = Backend(guest, name='fake')",
        )
    )
    env = {"PYTHONPATH": str(site), "BUILDR_BACKEND": "fake"}
    done = processes.python("app.py", cwd=tmp_path, env=env)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    pid, *run_id = done.stdout.decode().splitlines()
    assert bool(run_id) is not ends
    from tests.unit.run.test_watchdog import wait_for_end

    wait_for_end(int(pid))
    assert (tmp_path / "witness").exists() is ends


# Who removes them ---------------------------------------------------------------------------------


def test_the_sweep_keeps_running_and_exited_detached_runs() -> None:
    backend = FakeBackend(until_asked)
    detached(backend)
    ended(backend, 3)
    assert sweep(backend) == 0
    assert left(backend) == 2


def test_the_sweep_removes_never_started_runs() -> None:
    backend = FakeBackend()
    detached(backend, started=False)
    assert sweep(backend) == 1


def test_ps_shows_detached_and_the_status() -> None:
    backend = FakeBackend(until_asked)
    detached(backend, more={labels.CREATED: "2"})
    ended(backend, 3, {labels.CREATED: "1"})
    rows = [line.split() for line in command(backend, "ps").stdout.splitlines()[1:]]
    assert [row[4] for row in rows] == ["running", "exited"]
    assert rows[1][5] == "(3)"
    assert [row[-1] for row in rows] == ["detached", "detached"]
    documents = json.loads(command(backend, "ps", "--json").stdout)
    assert [(one["detached"], one["exit_code"]) for one in documents] == [(True, None), (True, 3)]
    assert [one["host"] for one in documents] == ["detached", "detached"]


def test_a_missing_status_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from msgspec.structs import replace

    backend = FakeBackend()
    ended(backend, 3)
    listed = [replace(one, exit_code=None) for one in backend.containers({})]
    monkeypatch.setattr(backend, "containers", lambda _: listed)
    assert runs.find([backend])[0].container.exit_code == 3


def test_prune_removes_exited_runs_and_keeps_running_ones() -> None:
    backend = FakeBackend(until_asked)
    running = detached(backend)
    gone = ended(backend)
    said = command(backend, "prune").stdout
    assert f"removed container {gone.id[:12]} (app; detached, and it has ended)" in said
    assert said.count("removed") == 1
    assert (running.removed, gone.removed) == (False, True)


@pytest.mark.parametrize("labels", [{}, ownership.labels(1)], ids=["gone", "alive"])
def test_stop_ends_and_removes_with_or_without_a_host_process(
    labels: dict[str, str],
) -> None:
    backend = FakeBackend(until_asked)
    container = detached(backend, more=labels)
    assert command(backend, "stop", "app").exit_code == 0
    assert container.signals.received[0] == signal.SIGTERM
    assert container.removed


# Started again ------------------------------------------------------------------------------------


def test_a_restart_policy_reaches_the_engine_and_a_label() -> None:
    backend = FakeBackend(until_asked)
    assert run(backend, "-d", "--restart", "on-failure:3").status == 0
    (container,) = backend.runs
    assert container.spec.restart == "on-failure:3"
    assert container.spec.labels[labels.RESTART] == "on-failure:3"


def test_without_one_there_is_no_label() -> None:
    backend = FakeBackend(until_asked)
    assert run(backend, "-d").status == 0
    assert backend.runs[0].spec.restart == "no"
    assert not backend.runs[0].spec.labels[labels.RESTART]


@pytest.mark.parametrize(("status", "removed"), [("stopped", False), ("exited", True)])
def test_prune_keeps_a_run_that_podman_may_restart(
    monkeypatch: pytest.MonkeyPatch, status: str, removed: bool
) -> None:
    from msgspec.structs import replace

    backend = FakeBackend()
    container = ended(backend, 3, {labels.RESTART: "always"})
    listed = [replace(one, status=status) for one in backend.containers({})]
    monkeypatch.setattr(backend, "containers", lambda _: listed)
    assert command(backend, "prune").exit_code == 0
    assert container.removed is removed


@pytest.mark.parametrize("started", [True, False])
def test_the_sweep_keeps_a_restarting_run(monkeypatch: pytest.MonkeyPatch, started: bool) -> None:
    """Podman creates the process of a container again: it is `created` in between."""
    from msgspec.structs import replace

    backend = FakeBackend(until_asked)
    container = detached(backend, started=started, more={labels.RESTART: "always"})
    listed = [replace(one, status="created") for one in backend.containers({})]
    monkeypatch.setattr(backend, "containers", lambda _: listed)
    sweep(backend)
    assert container.removed is not started


def test_a_followed_run_is_never_restarted() -> None:
    backend = FakeBackend()
    done = run(backend, "--restart", "always")
    assert done.status == 2
    assert b"--restart='always' needs --detach" in done.stderr
    assert backend.operations == []


@pytest.mark.parametrize("value", ["on-failure:0", "on-failure:", "always:3", "yes", "", 1])
def test_an_invalid_policy_is_refused(value: object) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.restart cannot be"):
        runtime_options({"restart": value})


# Its health ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "test"),
    [
        ("true && true", ("CMD-SHELL", "true && true")),
        (["python", "check.py"], ("CMD", "python", "check.py")),
        ({"command": ["true"]}, ("CMD", "true")),
    ],
)
def test_a_health_check_is_a_line_or_words_with_dockers_times(
    value: Any, test: tuple[str, ...]
) -> None:
    found = runtime_options({"healthcheck": value}).healthcheck
    assert found is not None
    assert found.test == test
    assert (found.interval, found.timeout, found.retries, found.start_period) == (30, 30, 3, 0)


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", [], [""], {}, 5, {"interval": 1}, {"command": ["a", 1]}),
        *({"command": "a", **more} for more in ({"interval": 0}, {"retries": 0}, {"wrong": 1})),
    ],
)
def test_an_invalid_health_check_is_refused(value: Any) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.healthcheck"):
        runtime_options({"healthcheck": value})


def test_the_flag_is_a_line_for_sh() -> None:
    backend = FakeBackend(until_asked)
    assert run(backend, "-d", "--health-cmd", "test -e /x").status == 0
    assert backend.runs[0].spec.health == HealthCheck(command="test -e /x")


# What makes no sense ------------------------------------------------------------------------------


def test_keep_and_detach_exclude_each_other() -> None:
    with pytest.raises(OptionError, match=r"^runtime\.detach and runtime\.keep cannot be combined"):
        runtime_options({"detach": True, "keep": True})


def test_watch_and_detach_exclude_each_other() -> None:
    backend = FakeBackend()
    done = run(backend, "--watch", "-d")
    assert done.status == 2
    assert b"--watch and --detach cannot be combined" in done.stderr
    assert backend.runs == []


def test_calls_are_never_detached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with using(FakeBackend()) as backend:
        for work in calls.imported(tmp_path, monkeypatch):
            assert (
                calls.options(work.give, detach=True, restart="always", healthcheck="true").remote(
                    1
                )
                == 1
            )
    assert not backend.runs[0].spec.labels[labels.DETACH]
    assert backend.runs[0].spec.restart == "no"
    assert backend.runs[0].spec.health is None
    assert backend.runs[0].removed
