"""The commands that manage runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from buildr import labels
from buildr.cli import app
from buildr.context.index import Snapshot
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec, Port
from buildr.engines.records import BuildRequest, Image, short_id
from buildr.errors import EngineError, EngineNotFoundError, EngineUnavailableError
from buildr.labels import PROJECT
from buildr.layout import ENTRYPOINT
from buildr.leftovers.build_lock import building, killed
from buildr.leftovers.last_image import Memory
from buildr.leftovers.prune import sweep_images
from buildr.testing import FakeBackend, FakeContainer, using

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from buildr.engines.protocol import Backend
    from buildr.errors import BackendError

LONG_GRACE = 3600.0


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("BUILDR_BACKEND", raising=False)


def labels_of_a_dead_process() -> dict[str, str]:
    code = "from buildr.engines import ownership; print(ownership.labels(1))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, str] = eval(done.stdout)  # noqa: S307 - our own output
    return found


def create(
    backend: FakeBackend, given: dict[str, str], name: str = "hello", ports: tuple[Port, ...] = ()
) -> str:
    image = backend.add_image("localhost/test:latest")
    given = {labels.NAME: name, PROJECT: "0123456789abcdef", **given}
    spec = ContainerSpec(image=image.id, labels=given, ports=ports)
    return backend.create(ownership.signed(spec))


def start(
    backend: FakeBackend, labels: dict[str, str], name: str = "hello", ports: tuple[Port, ...] = ()
) -> str:
    container = create(backend, labels, name, ports)
    backend.start(container)
    return container


def command(backends: FakeBackend | Mapping[str, Backend | BackendError], *words: str) -> Result:
    with using(backends):
        return CliRunner().invoke(app, words, prog_name="buildr")


def until_signalled(container: FakeContainer) -> int:
    container.signals.catch(signal.SIGTERM)
    return container.signals.wait()


# ps -----------------------------------------------------------------------------------------------


def test_runs_are_listed_the_newest_first_with_their_host_processes() -> None:
    podman, docker = FakeBackend(until_signalled, name="podman"), FakeBackend(name="docker")
    dead, live = labels_of_a_dead_process(), ownership.labels(1)
    dead[labels.CREATED] = str(int(live[labels.CREATED]) - 7200)
    create(docker, dead, "old")
    start(podman, live, "new", ports=(Port("127.0.0.1", 8080, 80), Port("::1", 0, 53, "udp")))
    create(podman, {labels.UID: "4242", labels.RUN: "of somebody else"})
    create(podman, {"somebody": "else"})
    result = command({"podman": podman, "docker": docker}, "ps", "--backend", "auto")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == [
        *("RUN", "ENGINE", "NAME", "IMAGE", "STATUS", "PORTS", "AGE"),
        "HOST",
        "PROCESS",
    ]
    image = "localhost/test:latest"
    assert rows[1][:5] == [live[labels.RUN][:12], "podman", "new", image, "running"]
    assert rows[1][5:7] == ["127.0.0.1:8080->80/tcp,", "[::1]:49152->53/udp"]
    assert rows[1][-1] == str(os.getpid())
    assert rows[2] == [
        *(dead[labels.RUN][:12], "docker", "old", image, "created"),
        *("-", "2", "h", "gone"),
    ]
    assert len(rows) == 3


def test_quiet_lists_the_ids_alone_and_all_is_taken_as_with_docker() -> None:
    backend = FakeBackend(until_signalled)
    given = ownership.labels(1)
    start(backend, given)
    for words in (("-q",), ("--quiet", "--all"), ("-aq",)):
        assert command(backend, "ps", *words).stdout == f"{given[labels.RUN][:12]}\n"


def test_an_image_that_only_buildr_looks_for_is_shown_by_its_id() -> None:
    backend = FakeBackend(until_signalled)
    image = backend.add_image(f"localhost/buildr/hello:{32 * '0'}").id
    labelled = {labels.NAME: "hello", PROJECT: "0123456789abcdef", **ownership.labels(1)}
    backend.create(ownership.signed(ContainerSpec(image=image, labels=labelled)))
    assert short_id(image) in command(backend, "ps").stdout.split()


def test_json_output_has_one_document_per_run() -> None:
    backend = FakeBackend(name="docker")
    given = labels_of_a_dead_process() | {labels.CREATED: "86400"}
    container = create(backend, given)
    documents = json.loads(command(backend, "ps", "--json").stdout)
    assert documents[0].pop("age_seconds") > 86400
    assert documents == [
        {
            "run": given[labels.RUN],
            "engine": "docker",
            "name": "hello",
            "project": "0123456789abcdef",
            "container": container,
            "image": "localhost/test:latest",
            "image_id": backend.runs[0].image.id,
            "status": "created",
            "running": False,
            "exit_code": None,
            "ports": [],
            "created": "1970-01-02T00:00:00+00:00",
            "host": "gone",
            "kept": False,
            "detached": False,
            "pid": int(given[labels.PID]),
        }
    ]


def test_the_list_may_be_empty() -> None:
    assert json.loads(command(FakeBackend(), "ps", "--json").stdout) == []
    assert command(FakeBackend(), "ps").stdout.startswith("RUN ")


@pytest.mark.parametrize("value", ["", "x", "-1", "nan", "9" * 30])
def test_invalid_labels_do_no_harm(value: str) -> None:
    backend = FakeBackend()
    names = (labels.PID, labels.CREATED, labels.GRACE, labels.STARTED)
    create(backend, {**ownership.labels(1), **dict.fromkeys(names, value)})
    result = command(backend, "ps")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].endswith(("unknown", "gone"))


def test_a_broken_engine_is_left_out_and_named(
    capfd: pytest.CaptureFixture[str],
) -> None:
    backends: dict[str, Backend | BackendError] = {
        "podman": EngineUnavailableError("no answer"),
        "docker": FakeBackend(),
    }
    result = command(backends, "ps")
    assert result.exit_code == 0
    assert capfd.readouterr().err == "buildr: podman is left out: no answer\n"


def test_a_missing_engine_is_not_mentioned(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert command({"docker": FakeBackend()}, "ps").exit_code == 0
    assert capfd.readouterr().err == ""


def test_without_any_engine_both_are_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert command({"podman": EngineNotFoundError("not there")}, "ps").exit_code == 125
    said = capfd.readouterr().err
    assert "no container engine can be used" in said
    assert "podman: not there" in said


def test_a_named_engine_that_fails_is_an_error() -> None:
    broken: dict[str, Backend | BackendError] = {
        "podman": EngineUnavailableError("no answer"),
        "docker": FakeBackend(),
    }
    assert command(broken, "ps", "--backend", "podman").exit_code == 125


# stop ---------------------------------------------------------------------------------------------


def test_a_run_with_a_live_host_process_is_asked_to_end_and_removed_by_it() -> None:
    backend = FakeBackend(until_signalled)
    given = ownership.labels(LONG_GRACE)
    container = start(backend, given)
    result = command(backend, "stop", given[labels.RUN][:6])
    assert result.stdout == f"{given[labels.RUN][:12]}\n"
    state = backend.state(container)
    assert state is not None
    assert state.exit_code == signal.SIGTERM


def test_a_run_that_does_not_end_is_killed_after_its_grace_period() -> None:
    def stubborn(container: FakeContainer) -> int:
        container.signals.ignore(signal.SIGTERM)
        return container.signals.wait()

    backend = FakeBackend(stubborn)
    container = start(backend, ownership.labels(LONG_GRACE))
    assert command(backend, "stop", "--grace-seconds", "0", container[:8]).exit_code == 0
    state = backend.state(container)
    assert state is not None
    assert state.exit_code == 128 + signal.SIGKILL


def test_a_run_with_a_restart_policy_is_stopped_by_the_engine() -> None:
    backend = FakeBackend(until_signalled)
    detached = {labels.DETACH: labels.SET, labels.RESTART: "always"}
    container = start(backend, {**ownership.labels(LONG_GRACE), **detached})
    assert command(backend, "stop", container[:8]).exit_code == 0
    assert "kill" not in backend.operations
    assert backend.operations[backend.operations.index("stop") :][:2] == ["stop", "remove"]
    assert backend.runs[0].exit_code == signal.SIGTERM


def test_a_run_without_its_host_process_is_removed() -> None:
    backend = FakeBackend(until_signalled)
    container = start(backend, labels_of_a_dead_process())
    assert command(backend, "stop", "hello").exit_code == 0
    assert backend.state(container) is None
    assert backend.runs[0].volumes_removed


def test_a_run_removed_meanwhile_by_its_host_process_has_ended() -> None:
    class Prompt(FakeBackend):
        def kill(self, container: str, signal: int) -> None:
            super().kill(container, signal)
            self.remove(container)

    backend = Prompt(until_signalled)
    container = start(backend, ownership.labels(LONG_GRACE))
    assert command(backend, "stop", container).exit_code == 0


def test_all_own_runs_are_stopped() -> None:
    backend = FakeBackend(until_signalled)
    mine = [start(backend, ownership.labels(1), name) for name in ("one", "two")]
    other = start(backend, ownership.labels(1) | {labels.UID: "4242"})
    assert len(command(backend, "stop", "--all").stdout.split()) == 2
    running = {state.id: state.running for state in backend.containers({})}
    assert running == {mine[0]: False, mine[1]: False, other: True}


def test_an_unknown_or_ambiguous_run_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    backend = FakeBackend(until_signalled)
    for _ in range(2):
        start(backend, ownership.labels(1))
    assert command(backend, "stop", "nothing").exit_code == 125
    assert "there is no run 'nothing'" in capfd.readouterr().err
    assert command(backend, "stop", "hello").exit_code == 125
    assert "'hello' names several runs: " in capfd.readouterr().err
    assert "kill" not in backend.operations


@pytest.mark.parametrize(
    "words", [("stop",), ("stop", "--all", "x"), ("stop", "--grace-seconds", "-1", "x")]
)
def test_stop_without_a_run_is_refused(words: tuple[str, ...]) -> None:
    assert command(FakeBackend(), *words).exit_code == 2


def test_a_run_that_cannot_be_stopped_is_reported_and_the_others_are_stopped(
    capfd: pytest.CaptureFixture[str],
) -> None:
    backend = FakeBackend()
    for _ in range(2):
        create(backend, labels_of_a_dead_process())
    backend.fail("remove", EngineError("busy"))
    result = command(backend, "stop", "--all")
    assert result.exit_code == 125
    assert len(result.stdout.split()) == 1
    assert "cannot be stopped: busy" in capfd.readouterr().err


# logs ---------------------------------------------------------------------------------------------


def test_logs_are_printed_to_the_original_streams(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    def guest(container: FakeContainer) -> None:
        container.stdout.write(b"\xff to stdout\n")
        container.stderr.write(b"to stderr")

    backend = FakeBackend(guest)
    container = start(backend, labels_of_a_dead_process())
    backend.wait(container)
    assert command(backend, "logs", container).exit_code == 0
    assert capfdbinary.readouterr() == (b"\xff to stdout\n", b"to stderr")


def test_a_missing_log_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    backend = FakeBackend()
    container = start(backend, ownership.labels(1))
    backend.fail("logs", EngineError("this container is using the 'none' log driver", status=500))
    assert command(backend, "logs", container).exit_code == 125
    assert "is using the 'none' log driver" in capfd.readouterr().err


def test_followed_logs_last_until_the_end(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def guest(container: FakeContainer) -> None:
        container.stdout.write(b"first ")
        container.stdin.read(1)
        container.stdout.write(b"second")

    backend = FakeBackend(guest)
    container = create(backend, ownership.labels(1))
    attachment = backend.attach(container, tty=False)
    backend.start(container)
    attachment.read()
    asked = threading.Thread(target=attachment.write, args=(b"x",))
    asked.start()
    assert command(backend, "logs", "--follow", "hello").exit_code == 0
    asked.join()
    assert capfdbinary.readouterr().out == b"first second"


def test_the_end_of_a_log_is_enough_where_that_is_asked_for(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    def guest(container: FakeContainer) -> int:
        for line in (b"one\n", b"two\n", b"three\n"):
            container.stdout.write(line)
        return 0

    backend = FakeBackend(guest)
    backend.wait(start(backend, ownership.labels(1)))
    assert command(backend, "logs", "--tail", "2", "hello").exit_code == 0
    assert command(backend, "logs", "-n", "0", "hello").exit_code == 0
    assert capfdbinary.readouterr().out == b"two\nthree\n"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("10m", 600), ("1h30m", 5400), ("2d", 172800), ("1.5s", 1.5), ("1d1h1m1s", 90061)],
)
def test_logs_begin_so_long_ago(
    monkeypatch: pytest.MonkeyPatch, given: str, seconds: float
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e6)
    backend = FakeBackend()
    backend.wait(start(backend, ownership.labels(1)))
    assert command(backend, "logs", "--since", given, "-t", "hello").exit_code == 0
    assert backend.log_times == [(1e6 - seconds, True)]


def test_logs_begin_at_a_time() -> None:
    backend = FakeBackend()
    backend.wait(start(backend, ownership.labels(1)))
    command(backend, "logs", "--since", "2026-01-31T08:00:00+00:00", "hello")
    assert backend.log_times == [(1769846400.0, False)]


@pytest.mark.parametrize("given", ["", "soon", "10", "m", "-5m"])
def test_a_time_that_is_none_is_a_wrong_command_line(given: str) -> None:
    result = command(FakeBackend(), "logs", "--since", given, "hello")
    assert result.exit_code == 2
    assert "1h30m" in result.output


# port, images -------------------------------------------------------------------------------------


def test_ports_of_a_run_are_shown_with_their_addresses_here() -> None:
    backend = FakeBackend(until_signalled)
    ports = (Port("127.0.0.1", 8080, 80), Port("::1", 0, 53, "udp"))
    start(backend, ownership.labels(1), ports=ports)
    assert command(backend, "port", "hello").stdout.splitlines() == [
        "80/tcp -> 127.0.0.1:8080",
        "53/udp -> [::1]:49152",
    ]
    assert command(backend, "port", "hello", "80").stdout == "127.0.0.1:8080\n"
    assert command(backend, "port", "hello", "53/udp").stdout == "[::1]:49152\n"


def test_a_port_that_is_not_published_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    backend = FakeBackend(until_signalled)
    start(backend, ownership.labels(1), ports=(Port("127.0.0.1", 8080, 80),))
    assert command(backend, "port", "hello", "53").exit_code == 125
    assert "publishes no port 53\nIt publishes: 80/tcp." in capfd.readouterr().err


def image_of(backend: FakeBackend, name: str, project: str) -> str:
    return backend.add_image(name, Image(id="", labels={PROJECT: project}, size=1_500_000)).id


def test_images_of_projects_are_listed_by_the_names_that_people_know() -> None:
    backend = FakeBackend(name="docker")
    backend.add_image("localhost/other:latest")
    old = image_of(backend, f"localhost/buildr/app:{32 * 'a'}", "one")
    new = image_of(backend, f"localhost/buildr/app:{32 * 'b'}", "one")
    backend.tag(new, "localhost/buildr/app:latest")
    rows = [line.split() for line in command(backend, "images").stdout.splitlines()]
    assert rows == [
        ["IMAGE", "ID", "SIZE", "ENGINE"],
        ["localhost/buildr/app:latest", short_id(new), "1.5", "MB", "docker"],
    ]
    assert command(backend, "images", "-a").stdout.splitlines()[-1].split()[:2] == [
        "-",
        short_id(old),
    ]
    assert command(backend, "images", "-qa").stdout.split() == [new, old]
    [document] = json.loads(command(backend, "images", "--json").stdout)
    assert (document["id"], document["project"], document["size"]) == (new, "one", 1_500_000)


def test_images_of_other_users_of_an_engine_are_not_listed() -> None:
    backend = FakeBackend(rootless=False)
    image_of(backend, "localhost/buildr/theirs:latest", "theirs")
    assert command(backend, "images", "-q").stdout == ""


# prune --------------------------------------------------------------------------------------------


def left_images(backend: FakeBackend) -> tuple[str, str]:
    """Store the leftovers of builds that were killed before and after the step that sets the labels."""
    text = "FROM base\nENV BUILDR_IN_CONTAINER=true METAPARTICLE_IN_CONTAINER=true\n{}"
    labelled = f"ENTRYPOINT {json.dumps(ENTRYPOINT)}\nLABEL {PROJECT}=x\n"
    backend.add_image("base")
    return build(backend, text.format(labelled)), build(backend, text.format(""))


def build(backend: FakeBackend, text: str, *tags: str) -> str:
    from buildr.archive.tar import Member, pack

    context = pack([Member(path="Containerfile", data=text.encode())])
    request = BuildRequest(context=context, containerfile="Containerfile", tags=tags)
    return backend.build(request, lambda _event: None)


def test_prune_removes_only_leftovers() -> None:
    backend = FakeBackend(until_signalled, name="docker")
    dead = create(backend, labels_of_a_dead_process())
    live = start(backend, ownership.labels(1))
    foreign = create(backend, {"somebody": "else"})
    left = left_images(backend)
    named = build(backend, f"FROM base\nLABEL {PROJECT}=x\n", "localhost/buildr/app:latest")
    plain = build(backend, "FROM base\nLABEL a=b\n")
    derived = build(backend, f'FROM base\nLABEL {PROJECT}=x\nENTRYPOINT ["own"]\n')
    result = command(backend, "prune")
    assert result.exit_code == 0
    assert [backend.state(one) is None for one in (dead, live, foreign)] == [True, False, False]
    assert [backend.image(one) is None for one in (*left, named, plain, derived)] == [
        *(True, True),
        *(False, False, False),
    ]
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"removed container {dead[:12]} (hello; its host process ")
    assert [run.volumes_removed for run in backend.runs] == [True, False, False]
    assert all(line.startswith("removed image ") for line in lines[1:])
    assert command(backend, "prune").stdout == ""


def test_prune_removes_the_cache_of_this_user_on_request() -> None:
    backend = FakeBackend(name="docker", installs=True)
    own = {"buildr.host.cache": "wheels", labels.UID: str(os.getuid())}
    backend.make_volume("mine", own)
    backend.make_volume("another's", {**own, labels.UID: "77777"})
    backend.make_volume("data", {})
    assert command(backend, "prune").stdout == ""
    said = "volume mine (the cache of wheels, 0.0 MB) on docker\n"
    assert command(backend, "prune", "--cache", "--dry-run").stdout == f"would remove {said}"
    assert [volume.name for volume in backend.volumes({})] == ["mine", "another's", "data"]
    assert command(backend, "prune", "--cache").stdout == f"removed {said}"
    assert [volume.name for volume in backend.volumes({})] == ["another's", "data"]


def test_a_cache_in_use_is_kept() -> None:
    backend = FakeBackend(installs=True)
    backend.make_volume("mine", {"buildr.host.cache": "wheels", labels.UID: str(os.getuid())})
    backend.fail("remove_volume", EngineError("in use", status=409, message="in use"))
    result = command(backend, "prune", "--cache")
    assert result.exit_code == 0
    assert "volume mine (the cache of wheels, 0.0 MB) on fake stays: in use" in result.stderr
    assert len(backend.volumes({})) == 1


def test_a_dry_run_only_lists_what_would_be_removed() -> None:
    backend = FakeBackend()
    dead = create(backend, labels_of_a_dead_process())
    left = left_images(backend)
    lines = command(backend, "prune", "--dry-run").stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("would remove ") for line in lines)
    assert backend.state(dead) is not None
    assert all(backend.image(image) for image in left)


def test_images_are_kept_during_a_build(capfd: pytest.CaptureFixture[str]) -> None:
    backend = FakeBackend()
    left = left_images(backend)
    with building():
        result = command(backend, "prune", "--quiet")
    assert result.exit_code == 0
    assert (
        capfd.readouterr().err
        == "buildr: images stay for now: a build is running, or its lock cannot be taken\n"
    )
    assert all(backend.image(image) for image in left)


def test_an_image_in_use_is_kept_and_reported() -> None:
    backend = FakeBackend()
    image = backend.add_image("x", Image(id="", labels={PROJECT: "x"}))
    backend._images._images[image.id] = Image(id=image.id, labels={PROJECT: "x"})
    backend.create(ownership.signed(ContainerSpec(image=image.id, labels=ownership.labels(1))))
    result = command(backend, "prune")
    assert result.exit_code == 0
    assert "a container uses the image" in result.stderr


def test_an_image_that_the_engine_fails_to_remove_is_a_failure() -> None:
    backend = FakeBackend()
    image, _ = left_images(backend)
    backend.fail("remove_image", EngineError("the disk is full", status=500), times=2)
    result = command(backend, "prune")
    assert result.exit_code == 1
    assert (
        f"image {short_id(image)} (without a name) on fake stays: the disk is full" in result.stderr
    )


def test_images_of_a_killed_build_are_swept_once() -> None:
    backend = FakeBackend(name="docker")
    left = left_images(backend)
    sweep_images(backend)
    assert all(backend.image(image) for image in left)  # no build was killed
    code = "import os\nfrom buildr.leftovers.build_lock import building\nwith building('docker'): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    backend.fail("remove_image", EngineError("its step still runs"), times=len(left))
    with pytest.raises(EngineError):
        sweep_images(backend)
    sweep_images(backend)
    assert not any(backend.image(image) for image in left)
    assert killed("docker") == []


def test_an_image_in_use_does_not_keep_the_mark_of_a_killed_build() -> None:
    """Podman's killed builds leave working containers, which are indistinguishable from those of running builds."""
    backend = FakeBackend(name="docker")
    left_images(backend)
    code = "import os\nfrom buildr.leftovers.build_lock import building\nwith building('docker'): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    backend.fail("remove_image", EngineError("in use", status=409), times=2)
    assert sweep_images(backend)
    assert killed("docker") == []


def test_recorded_images_of_a_killed_build_are_leftovers_unless_they_are_named() -> None:
    backend = FakeBackend(name="docker")
    named = backend.add_image("theirs")
    images = [backend._images.add(Image(id=""), f"step {n}").id for n in range(3)]
    reported = [named.id, images[0]]
    code = (
        "import os\nfrom buildr.leftovers.build_lock import building\nwith building('docker') as tell:\n"
        f"    for image in {reported}: tell(image)\n    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    result = command(backend, "prune", "--dry-run")
    assert [line.split()[3] for line in result.stdout.splitlines()] == [
        images[0].removeprefix("sha256:")[:12]
    ]
    sweep_images(backend)
    assert [bool(backend.image(image)) for image in (named.id, *images)] == [
        True,
        False,
        True,
        True,
    ]


class Building(FakeBackend):
    """An engine that continues a build of a killed host process."""

    def __init__(self) -> None:
        super().__init__(name="docker")
        self.left = ["some build"]

    def left_builds(self) -> list[str]:
        return list(self.left)

    def end_build(self, build: str) -> None:
        self.left.remove(build)


def test_a_build_without_its_host_process_is_ended() -> None:
    backend = Building()
    result = command(backend, "prune", "--dry-run")
    assert result.stdout == "would remove a build (its host process has gone) on docker\n"
    assert backend.left
    command(backend, "prune")
    assert not backend.left


def test_the_next_run_ends_a_build_without_its_host_process() -> None:
    backend = Building()
    code = "import os\nfrom buildr.leftovers.build_lock import building\nwith building('docker'): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    sweep_images(backend)
    assert not backend.left


def test_on_a_shared_engine_only_images_of_own_projects_are_removed() -> None:
    backend = FakeBackend(name="docker", rootless=False)
    labelled, unlabelled = left_images(backend)
    command(backend, "prune")
    assert backend.image(labelled)
    assert backend.image(unlabelled)
    tree = Snapshot("digest", memoryview(b""))
    Memory("x", backend).remember("x:1", Image(id="x"), tree, layers=0, with_state=False)
    command(backend, "prune")
    assert backend.image(labelled) is None
    assert backend.image(unlabelled)
