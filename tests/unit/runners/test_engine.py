"""Running a script in a container: what is asked of the engine, and how every end becomes an exit status."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from buildr.engines.container_spec import (
    ContainerSpec,
    DeviceSpec,
    MountSpec,
    Network,
    Port,
    Ulimit,
)
from buildr.engines.records import ContainerState, EngineDetails
from buildr.errors import (
    BuildError,
    BuildrError,
    CommandNotFoundError,
    ContainerError,
    EngineError,
    EngineNotFoundError,
    ImageNotFoundError,
    NotExecutableError,
    OptionError,
    PushError,
)
from buildr.host import time_zone
from buildr.host.exit_status import exit_status_of
from buildr.image import subordinate_ids
from buildr.layout import GUEST_ROOT
from buildr.options import Mount
from buildr.plan.entry import Entry
from buildr.runners import warnings
from buildr.runners.registry import runner
from buildr.testing import FakeBackend, FakeContainer, using
from tests.unit.running import planned_run, run_entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildr.engines.protocol import Backend
    from buildr.errors import BackendError
    from buildr.host.signals import Signals
    from buildr.testing import Operation

VIENNA = "CET-1CEST,M3.5.0,M10.5.0/3"
VARIABLES = ("TZ", "LANG", "LANGUAGE", "TERM", "BUILDR_BACKEND", "BUILDR_BASE_IMAGE", "PYTHONPATH")


@pytest.fixture(autouse=True)
def project_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "app.py").write_text("")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setattr(time_zone, "LOCAL", "/etc/localtime/of/nothing")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in (*VARIABLES, *(name for name in os.environ if name.startswith("LC_"))):
        monkeypatch.delenv(name, raising=False)
    return directory


@pytest.fixture(autouse=True)
def empty_input() -> Iterator[None]:
    saved = os.dup(0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    yield
    os.dup2(saved, 0)
    os.close(saved)


def run(
    backends: FakeBackend | Mapping[str, Backend | BackendError],
    *arguments: str,
    package: dict[str, Any] | None = None,
    runtime: dict[str, Any] | None = None,
    flag: str | None = None,
    builder_flag: str | None = None,
) -> int:
    entry = Entry(kind="script", script=str(Path("app.py").absolute()), arguments=arguments)
    with using(backends):
        return run_entry(entry, package, runtime, backend=flag, builder=builder_flag)


def spec_of(
    *arguments: str,
    backend: FakeBackend | None = None,
    package: dict[str, Any] | None = None,
    **runtime: Any,
) -> ContainerSpec:
    backend = backend or FakeBackend()
    run(backend, *arguments, package=package, runtime=runtime)
    return backend.runs[0].spec


# The container ----------------------------------------------------------------------------------------


def test_the_built_image_runs_with_the_script_s_arguments() -> None:
    backend = FakeBackend(lambda _container: 3)
    assert run(backend, "-x", "a b", "") == 3
    spec = backend.runs[0].spec
    image = backend.image("localhost/buildr/app:latest")
    assert image is not None
    assert spec.image == image.id
    assert spec.command == ("python", "-u", "/app/app.py", "-x", "a b", "")
    assert spec.workdir == "/app"


def test_options_of_the_run_reach_the_container() -> None:
    spec = spec_of(
        cpus=1.5,
        memory="64m",
        shm_size="1m",
        pids_limit=100,
        ulimits={"nofile": [1, 2]},
        devices=["/dev/null:/dev/none:r", "a.b/c=d"],
        gpus="all",
        network=["backend:alias=db"],
        name="mine",
        grace_seconds=3,
        hardened=True,
    )
    assert (spec.shm_size, spec.networks) == (
        1 << 20,
        (Network(name="backend", aliases=("db",)),),
    )
    assert (spec.pids_limit, spec.gpus) == (100, -1)
    assert spec.ulimits == (Ulimit(name="nofile", soft=1, hard=2),)
    assert spec.devices == (
        DeviceSpec(host="/dev/null", container="/dev/none", access="r"),
        DeviceSpec(host="a.b/c=d"),
    )

    assert (spec.cpus, spec.memory, spec.name) == (1.5, 64 * 1024 * 1024, "mine")
    assert (spec.grace_seconds, spec.hardened, spec.home) == (3, True, "/home/app")


def test_a_missing_device_is_reported_before_the_engine_is_contacted() -> None:
    with pytest.raises(ContainerError, match="the device /dev/no-such is not there"):
        spec_of(devices=["/dev/no-such"])


def test_a_hardened_container_can_write_to_its_home(
    project_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OneId(FakeBackend):
        def details(self) -> EngineDetails:
            return EngineDetails(user_ids=1)

    monkeypatch.setattr(subordinate_ids, "_listed", lambda _uid: False)
    assert spec_of(backend=OneId(), hardened=True).home == "/root"
    (project_directory / "Dockerfile").write_text('FROM debian:12\nENV HOME=/srv\nCMD ["x"]\n')
    assert spec_of(package={"dockerfile": "Dockerfile"}, hardened=True).home == "/srv"


def test_unset_options_are_left_to_the_image() -> None:
    spec = spec_of()
    assert (spec.cpus, spec.memory, spec.user) == (None, None, None)
    assert (spec.ports, spec.mounts, spec.tty) == ((), (), False)


def test_a_container_is_labelled_with_its_project_and_its_host_process() -> None:
    labels = spec_of().labels
    assert len(labels["buildr.project"]) == 16
    assert labels["buildr.uid"] == str(os.getuid())
    assert labels["buildr.pid"] == str(os.getpid())
    assert labels["buildr.run"] != spec_of().labels["buildr.run"]


def test_the_containers_project_is_that_of_its_image() -> None:
    backend = FakeBackend()
    run(backend)
    image = backend.image(backend.runs[0].spec.image)
    assert image is not None
    assert image.labels["buildr.project"] == backend.runs[0].spec.labels["buildr.project"]


def test_everything_is_closed_and_removed_at_the_end() -> None:
    backend = FakeBackend()
    run(backend)
    assert backend.closed
    assert backend.runs[0].removed


@pytest.mark.parametrize("operation", ["build", "create", "attach", "start"])
def test_everything_is_closed_and_removed_after_a_failure(operation: Operation) -> None:
    backend = FakeBackend()
    backend.fail(operation, ContainerError("no"))
    with pytest.raises(ContainerError):
        run(backend)
    assert backend.closed
    assert all(container.removed for container in backend.runs)


# Environment ------------------------------------------------------------------------------------------


def test_nothing_of_the_hosts_environment_leaks_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    assert spec_of().environment == {}


def test_the_time_zone_and_the_locale_come_along(monkeypatch: pytest.MonkeyPatch) -> None:
    host = {
        "TZ": "Europe/Vienna",
        "LANG": "C.UTF-8",
        "LANGUAGE": "de",
        "LC_ALL": "C",
        "LC_TIME": "C",
    }
    for name, value in host.items():
        monkeypatch.setenv(name, value)
    reported = {"BUILDR_LOCALE": "LANG LANGUAGE LC_ALL LC_TIME", "BUILDR_TIME_ZONE": VIENNA}
    assert spec_of().environment == host | reported


def test_user_variables_are_not_checked_against_the_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LC_ALL", "de_AT.UTF-8")
    assert spec_of(env={"LC_ALL": None}).environment == {"LC_ALL": "de_AT.UTF-8"}


def test_term_is_set_only_with_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert "TERM" not in spec_of().environment


def test_the_guest_gets_the_variables_of_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSED", "from the host")
    monkeypatch.delenv("ABSENT", raising=False)
    env = {"A": "1 $B\n", "EMPTY": "", "PASSED": None, "ABSENT": None}
    assert spec_of(env=env).environment == {"A": "1 $B\n", "EMPTY": "", "PASSED": "from the host"}


def test_the_option_precedes_the_locale_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "de_AT.UTF-8")
    assert spec_of(env={"LANG": "C"}).environment == {"LANG": "C"}


def test_the_user_s_pythonpath_keeps_the_guest_part_importable() -> None:
    assert spec_of(env={"PYTHONPATH": "/srv/lib"}).environment == {
        "PYTHONPATH": f"/srv/lib:{GUEST_ROOT}"
    }


def test_interpreter_options_are_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    entry = Entry(kind="script", script=str(Path("app.py").absolute()), interpreter=("-O",))
    with using(FakeBackend()) as backend:
        run_entry(entry)
        assert backend.runs[0].spec.command == ("python", "-O", "-u", "/app/app.py")
        run_entry(entry, runtime={"debug": 5678})
        assert backend.runs[1].spec.command[:3] == ("python", "-O", "-u")
    assert "do not travel" not in capfd.readouterr().err


# Ports and mounts -------------------------------------------------------------------------------------


def test_ports_are_bound_to_loopback_by_default() -> None:
    assert spec_of(ports=[8080]).ports == (Port(host_ip="127.0.0.1", host=8080, container=8080),)
    assert spec_of(ports=["9000:80/udp"], public=True).ports == (
        Port(host_ip="", host=9000, container=80, protocol="udp"),
    )


def test_a_port_chosen_by_the_engine_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    run(Waiting(), runtime={"ports": ["0:80", "[::1]:0:81", "8080:82"]})
    reported = [line for line in capfd.readouterr().err.splitlines() if "of the guest is" in line]
    assert reported == [
        "buildr: port 80/tcp of the guest is 127.0.0.1:49152 here",
        "buildr: port 81/tcp of the guest is [::1]:49153 here",
        "buildr: port 82/tcp of the guest is 127.0.0.1:8080 here",
    ]


class Waiting(FakeBackend):
    """An engine whose guest runs until somebody has asked for its ports."""

    def __init__(self) -> None:
        super().__init__(lambda container: container.signals.wait() and 0)

    def create(self, spec: ContainerSpec) -> str:
        identity = super().create(spec)
        self.runs[-1].signals.catch(signal.SIGUSR1)
        return identity

    def state(self, container: str) -> ContainerState | None:
        state = super().state(container)
        self.runs[-1].signals.send(signal.SIGUSR1)
        return state


def test_fixed_ports_are_not_looked_up() -> None:
    backend = FakeBackend()
    run(backend, runtime={"ports": [8080]})
    assert "state" not in backend.operations


def test_mounts_are_relative_to_the_current_directory(project_directory: Path) -> None:
    (project_directory / "data").mkdir()
    spec = spec_of(mounts=["./data:/data:ro", "cache:/cache", Mount("/srv", "/srv", relabel="Z")])
    assert spec.mounts == (
        MountSpec(kind="bind", source=f"{project_directory}/data", target="/data", read_only=True),
        MountSpec(kind="volume", source="cache", target="/cache"),
        MountSpec(kind="bind", source="/srv", target="/srv", relabel="Z"),
    )


@pytest.mark.parametrize(
    ("rootless", "mount", "user"),
    [
        (True, "./data:/data", "0:0"),
        (False, "./data:/data", f"{os.getuid()}:0"),
        (True, "./data:/data:ro", None),
        (False, "volume:/data", None),
    ],
)
def test_files_written_to_a_mount_belong_to_the_user(
    project_directory: Path, rootless: bool, mount: str, user: str | None
) -> None:
    (project_directory / "data").mkdir()
    assert spec_of(backend=FakeBackend(rootless=rootless), mounts=[mount]).user == user


# An own Containerfile ---------------------------------------------------------------------------------


def test_a_missing_mount_source_is_refused_before_the_engine_creates_it(
    project_directory: Path,
) -> None:
    backend = FakeBackend()
    with pytest.raises(ContainerError, match=f"{project_directory}/absent"):
        run(backend, runtime={"mounts": ["./absent:/data:z"]})
    assert not backend.runs


@pytest.mark.parametrize(
    ("rootless", "unified", "reported"),
    [
        (True, False, "buildr: warning: cpus and memory will not hold"),
        (True, True, ""),
        (False, False, ""),
    ],
)
def test_limits_that_the_engine_ignores_are_reported_in_one_line(
    project_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    rootless: bool,
    unified: bool,
    reported: str,
) -> None:
    controllers = project_directory.parent / "cgroup.controllers"
    if unified:
        controllers.touch()
    monkeypatch.setattr(warnings, "_UNIFIED_CGROUPS", str(controllers))
    backend = FakeBackend(rootless=rootless)
    run(backend, package={"quiet": True}, runtime={"cpus": 0.5, "memory": "256m"})
    said = capfd.readouterr().err
    assert said.startswith(reported)
    assert said.count("\n") == bool(reported)


@pytest.mark.parametrize(
    ("network", "reported"),
    [("host", "buildr: warning: the guest shares the network"), ("none", ""), (None, "")],
)
def test_a_guest_in_the_network_of_the_host_is_reported_in_one_line(
    capfd: pytest.CaptureFixture[str], network: str | None, reported: str
) -> None:
    run(FakeBackend(), package={"quiet": True}, runtime={"network": network} if network else {})
    said = capfd.readouterr().err
    assert said.startswith(reported)
    assert said.count("\n") == bool(reported)


@pytest.mark.parametrize(
    ("host", "runtime", "told"),
    [
        ((True, "1"), {"ports": [8080]}, True),
        ((True, "0"), {"ports": [8080]}, False),
        ((False, "1"), {"ports": [8080]}, False),
        ((True, "1"), {"ports": [8080], "public": True}, False),
        ((True, "1"), {"ports": ["192.0.2.1:8080:8080"]}, False),
        ((True, "1"), {"ports": [8080], "network": "some"}, True),
        ((True, "1"), {}, False),
    ],
)
def test_a_port_reachable_from_the_local_network_is_reported_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    host: tuple[bool, str],
    runtime: dict[str, Any],
    told: bool,
) -> None:
    routed, forwarding = host
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "forward").write_text(f"{forwarding}\n")
    monkeypatch.setattr(warnings, "_FORWARDING", ("/absent", str(tmp_path / "forward")))
    for first in (True, False):
        backend = FakeBackend(rootless=False)
        backend._info = replace(backend.info, routed=routed)
        run(backend, package={"quiet": True}, runtime=runtime)
        said = capfd.readouterr().err
        assert ("reach it at the container's own address" in said) is (told and first)


def test_without_limits_nothing_is_reported(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(warnings, "_UNIFIED_CGROUPS", "/absent")
    run(FakeBackend(rootless=True), package={"quiet": True})
    assert capfd.readouterr().err == ""


def test_a_user_s_image_keeps_its_command_and_directory(project_directory: Path) -> None:
    (project_directory / "Dockerfile").write_text('FROM debian:12\nCMD ["serve", "--fast"]\n')
    spec = spec_of("-x", package={"dockerfile": "Dockerfile"})
    assert spec.command == ("serve", "--fast", "-x")
    assert (spec.workdir, spec.home) == (None, "")


# Publishing -------------------------------------------------------------------------------------------

PUBLISH = {"publish": True, "repository": "registry.example.org/me", "name": "app"}


def test_a_published_image_is_pushed_before_it_runs(capfd: pytest.CaptureFixture[str]) -> None:
    backend = FakeBackend()
    run(backend, package=PUBLISH)
    (push,) = backend.pushed
    assert push.reference == "registry.example.org/me/app:latest"
    assert push.image == backend.runs[0].spec.image
    assert backend.operations.index("push") < backend.operations.index("create")
    assert "buildr: pushed registry.example.org/me/app:latest (sha256:" in capfd.readouterr().err


def test_a_refused_push_prevents_the_run() -> None:
    backend = FakeBackend()
    backend.fail("push", PushError("access denied"))
    with pytest.raises(PushError, match="access denied"):
        run(backend, package=PUBLISH)
    assert backend.runs == []


def test_without_publish_nothing_is_pushed() -> None:
    backend = FakeBackend()
    run(backend, package={"repository": "registry.example.org/me"})
    assert backend.pushed == []


# Two engines ------------------------------------------------------------------------------------------

TWO: dict[str, Any] = {
    "package": {"builder": "docker"},
    "runtime": {"executor": "podman"},
}


def engines() -> tuple[FakeBackend, FakeBackend]:
    return FakeBackend(name="podman"), FakeBackend(name="docker")


def test_two_engines_exchange_an_image_through_the_registry() -> None:
    podman, docker = engines()
    run(
        {"podman": podman, "docker": docker},
        package={**PUBLISH, "builder": "docker"},
        runtime={"executor": "podman"},
    )
    assert docker.builds
    assert not docker.runs
    assert (len(podman.builds), len(podman.runs)) == (0, 1)
    assert podman.pulled == ["registry.example.org/me/app:latest"]
    assert podman.closed
    assert docker.closed


def test_between_two_engines_an_image_must_be_published() -> None:
    podman, docker = engines()
    with pytest.raises(
        OptionError, match="built by docker and run by podman, so it must be published"
    ):
        run({"podman": podman, "docker": docker}, **TWO)
    assert podman.closed
    assert docker.closed


@pytest.mark.parametrize(
    ("package", "runtime"),
    [
        ({"builder": "docker"}, {}),
        ({}, {"executor": "docker"}),
        ({"builder": "docker"}, {"executor": "docker"}),
    ],
)
def test_one_name_is_enough_for_both(package: dict[str, Any], runtime: dict[str, Any]) -> None:
    podman, docker = engines()
    run({"podman": podman, "docker": docker}, package=package, runtime=runtime)
    assert (len(docker.builds), len(docker.runs)) == (1, 1)
    assert podman.operations == []


def test_the_flag_and_the_variable_decide_both(monkeypatch: pytest.MonkeyPatch) -> None:
    for flag, variable in (("docker", ""), (None, "docker")):
        monkeypatch.setenv("BUILDR_BACKEND", variable)
        podman, docker = engines()
        run({"podman": podman, "docker": docker}, flag=flag, runtime={"executor": "podman"})
        assert (len(docker.runs), len(podman.runs)) == (1, 0)


def test_the_builder_flag_can_differ_from_the_backend_flag() -> None:
    podman, docker = engines()
    with pytest.raises(OptionError, match="built by docker and run by podman"):
        run({"podman": podman, "docker": docker}, flag="podman", builder_flag="docker")


def test_the_same_engine_by_another_name_needs_no_registry() -> None:
    same = FakeBackend(name="podman")
    run({"podman": same, "mine": same}, package={"builder": "mine"}, runtime={"executor": "podman"})
    assert (len(same.builds), len(same.runs), same.pushed) == (1, 1, [])


# What is said -----------------------------------------------------------------------------------------


def only_docker() -> dict[str, Backend | BackendError]:
    return {"podman": EngineNotFoundError("not installed"), "docker": FakeBackend(name="docker")}


def test_quiet_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    run(only_docker(), package={"quiet": True})
    assert capfd.readouterr() == ("", "")


def test_a_fallback_is_reported_once(capfd: pytest.CaptureFixture[str]) -> None:
    run(only_docker())
    assert capfd.readouterr().err.count("using docker, since podman is not usable here") == 1


# An image that vanishes -------------------------------------------------------------------------------


class Vanishing(FakeBackend):
    """An engine whose image somebody removes before the container is created."""

    def __init__(self, times: int) -> None:
        super().__init__(lambda _container: 4)
        self.times = times

    def create(self, spec: ContainerSpec) -> str:
        if self.times:
            self.times -= 1
            image = self.image(spec.image)
            assert image is not None
            for tag in image.tags:
                self.remove_image(tag)
        return super().create(spec)


def test_an_image_that_vanishes_before_the_run_is_rebuilt() -> None:
    backend = Vanishing(1)
    assert run(backend) == 4
    assert len(backend.builds) == 2


def test_an_image_removed_since_the_last_run_is_rebuilt() -> None:
    backend = FakeBackend(lambda _container: 4)
    assert run(backend) == 4
    for tag in [tag for image in backend.images({}) for tag in image.tags]:
        if "/app:" in tag:
            backend.remove_image(tag)
    assert run(backend) == 4
    assert len(backend.builds) == 2


def test_an_image_that_vanishes_again_is_an_error() -> None:
    with pytest.raises(ImageNotFoundError, match="no longer stored"):
        run(Vanishing(2))


# Every end --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OptionError("wrong"), 125),
        (BuildError("failed", hint="Fix it."), 125),
        (NotExecutableError("no"), 126),
        (CommandNotFoundError("no"), 127),
    ],
)
def test_an_error_is_reported_and_determines_the_status(
    error: BuildrError, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def action(_signals: Signals) -> int:
        raise error

    assert exit_status_of(action) == status
    assert capfd.readouterr() == ("", f"buildr: error: {error}\n")


def test_the_status_of_the_action_is_the_status() -> None:
    assert exit_status_of(lambda _signals: 42) == 42


def test_an_interrupt_cancels_and_that_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    def action(_signals: Signals) -> int:
        signal.raise_signal(signal.SIGINT)
        return 1

    assert exit_status_of(action) == 0
    assert capfd.readouterr().err == "buildr: cancelled\n"


def test_the_status_of_an_interrupt_can_be_chosen() -> None:
    def action(signals: Signals) -> int:
        signals.interrupt_status = 130
        signal.raise_signal(signal.SIGINT)
        return 1

    assert exit_status_of(action) == 130


def test_the_status_of_an_interrupt_is_an_option() -> None:
    def guest(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert container.signals.wait() == signal.SIGINT
        return 1

    def action(signals: Signals) -> int:
        entry = Entry(kind="script", script=str(Path("app.py").absolute()))
        plan = planned_run(entry, runtime={"interrupt_status": 130})
        return runner(plan.choices.runner).run(plan, signals)

    with using(FakeBackend(guest)):
        assert exit_status_of(action) == 130


def test_a_third_interrupt_ends_at_once() -> None:
    def action(signals: Signals) -> int:
        signals.collect()
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        return 1

    assert exit_status_of(action) == 128 + signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_another_signal_ends_with_its_status(number: int) -> None:
    def action(_signals: Signals) -> int:
        signal.raise_signal(number)
        return 1

    assert exit_status_of(action) == 128 + number


def test_an_unknown_exception_shows_a_traceback() -> None:
    def action(_signals: Signals) -> int:
        raise ZeroDivisionError

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError):
        exit_status_of(action)
    assert signal.getsignal(signal.SIGTERM) == before


# An engine elsewhere ----------------------------------------------------------------------------------


class Elsewhere(FakeBackend):
    """An engine in a container of its own, with the same machine below it."""

    def shows(self, container: str, mount: MountSpec) -> bool:
        super().shows(container, mount)
        return mount.target != "/data"


@pytest.mark.parametrize("backend", [FakeBackend(remote=True), Elsewhere()])
def test_a_different_source_on_the_engine_s_side_is_not_mounted(
    backend: FakeBackend, tmp_path: Path
) -> None:
    with pytest.raises(
        ContainerError, match=f"{tmp_path} cannot be mounted: the engine at memory:fake"
    ) as reported:
        run(backend, runtime={"mounts": [f"{tmp_path}:/data"]})
    assert "another machine" in str(reported.value) + reported.value.hint
    assert "start" not in backend.operations
    assert all(run.removed for run in backend.runs)


def test_the_same_source_on_the_engine_s_side_is_mounted(tmp_path: Path) -> None:
    backend = Elsewhere()
    assert run(backend, runtime={"mounts": [f"{tmp_path}:/elsewhere", "volume:/v"]}) == 0
    assert backend.operations.count("shows") == 1


def test_a_volume_of_an_engine_elsewhere_is_mounted() -> None:
    assert run(FakeBackend(remote=True), runtime={"mounts": ["volume:/data"]}) == 0


# Outputs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 3])
def test_outputs_are_copied_after_any_exit_status(
    status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def guest(container: FakeContainer) -> int:
        container.files["/app/out/a.csv"] = b"1,2\n"
        container.files["/app/other"] = b""
        return status

    assert run(FakeBackend(guest), runtime={"outputs": "out/*.csv"}) == status
    assert Path("out/a.csv").read_bytes() == b"1,2\n"
    assert not Path("other").exists()
    assert "buildr: copied 1 file to the project: out/a.csv\n" in capfd.readouterr().err


def test_without_outputs_changes_are_not_looked_up() -> None:
    backend = FakeBackend()
    run(backend)
    assert "changed" not in backend.operations


def test_a_failed_copy_fails_a_successful_run(
    capfd: pytest.CaptureFixture[str],
) -> None:
    for status, expected in ((0, 125), (3, 3)):
        backend = FakeBackend(partial(ending_with, status))
        backend.fail("changed", EngineError("the engine has no list", status=500, message="no"))
        action = partial(run, backend, runtime={"outputs": "x"})
        assert exit_status_of(lambda _signals, action=action: action()) == expected  # type: ignore[misc] # mypy infers no defaults
        assert "the engine has no list" in capfd.readouterr().err


def ending_with(status: int, _container: FakeContainer) -> int:
    return status
