"""The transient service, with a fake ``podman`` program."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildr.engines.records import Target
from buildr.errors import EngineNotFoundError, EngineUnavailableError
from buildr.host import children, console, private_folders
from buildr_backends.http import probe
from buildr_backends.http.endpoint import Endpoint
from buildr_backends.podman import configuration, launch, private_directory
from buildr_backends.podman import engine as podman_engine
from buildr_backends.podman import service as podman_service
from tests.unit.backends import fake_podman

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVES = f'exec {sys.executable} -I {fake_podman.__file__} "$@"'


class Host:
    """A host with a user's runtime directory and a ``podman`` program.

    Attributes:
        runtime: ``$XDG_RUNTIME_DIR``.
        temporary: in place of ``/tmp``.
    """

    def __init__(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runtime = top / "run"
        self.temporary = top / "tmp"
        self.notes = top / "notes"
        self.program = top / "bin/podman"
        for directory in (self.runtime, self.temporary, self.notes, self.program.parent):
            directory.mkdir(mode=0o700)
        self.install(f"grep '^Sig[BI]' /proc/self/status > {self.notes}/signals\n{SERVES}")
        for name in ("CONTAINER_CONNECTION", "CONTAINER_HOST", configuration.IDLE_VARIABLE):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("FAKE_NOTES", str(self.notes))
        monkeypatch.setenv("HOME", str(top))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(top / "config"))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(self.runtime))
        monkeypatch.setenv("PATH", f"{self.program.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(private_folders, "TEMPORARY", str(self.temporary))
        monkeypatch.setattr(children, "_started", [])
        # Hide the system's own sockets.
        monkeypatch.setattr("buildr_backends.podman.endpoint.discovered", lambda: iter(()))

    def install(self, script: str) -> None:
        """Make ``podman`` a shell script."""
        self.program.write_text(f"#!/bin/sh\n{script}\n")
        self.program.chmod(0o755)

    def started(self) -> list[dict[str, Any]]:
        """Return the records of all services so far."""
        return [json.loads(path.read_text()) for path in sorted(self.notes.glob("*.json"))]

    def end(self) -> None:
        """End every service."""
        for pid in children._started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # collected by the next call


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    # Not in tmp_path, whose name may be longer than that of a socket.
    top = Path(tempfile.mkdtemp(prefix="buildr-"))
    found = Host(top, monkeypatch)
    try:
        yield found
    finally:
        found.end()
        children.collect()
        shutil.rmtree(top)


def connect() -> Endpoint:
    """Connect to Podman; return where it was found."""
    engine = podman_engine.connect(Target())
    try:
        return engine._client.endpoint
    finally:
        engine.close()


# Starting -----------------------------------------------------------------------------------------


def test_podman_is_reached_without_a_socket(host: Host) -> None:
    engine = podman_engine.connect(Target())
    engine.close()
    assert engine.info.version == "4.3.1"
    assert engine.info.found == "a transient service (ends by itself after 120 idle seconds)"
    assert engine.info.rootless is (os.geteuid() != 0)
    assert engine.info.endpoint.startswith(f"unix://{host.runtime}/buildr/podman-")


def test_a_service_is_shared(host: Host) -> None:
    assert connect() == connect()
    assert len(host.started()) == 1


def test_ten_simultaneous_first_users_start_one_service(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Endpoint] = []
    barrier = threading.Barrier(10)
    looked = threading.local()
    listens = launch.listens

    def look(endpoint: Endpoint) -> bool:
        answer = listens(endpoint)
        if not hasattr(looked, "once"):
            looked.once = True
            barrier.wait(10)  # all ten see that there is no service yet
        return answer

    monkeypatch.setattr(podman_service, "listens", look)
    threads = [threading.Thread(target=lambda: found.append(connect())) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 10
    assert len(set(found)) == 1
    assert len(host.started()) == 1


def test_no_other_user_can_open_the_socket(host: Host) -> None:
    path = Path(connect().path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.with_suffix(".log").stat().st_mode) == 0o600
    assert path.parent.parent == host.runtime


def test_the_service_inherits_its_socket_as_from_systemd(host: Host) -> None:
    connect()
    (note,) = host.started()
    assert note["environ"]["LISTEN_PID"] == str(note["pid"])
    assert note["environ"]["LISTEN_FDS"] == "1"
    assert note["arguments"] == ["system", "service", "--time=120"]


def test_the_user_sets_the_idle_time_of_the_service(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect()
    monkeypatch.setenv(configuration.IDLE_VARIABLE, "7")
    connect()
    assert [note["arguments"][-1] for note in host.started()] in (
        ["--time=120", "--time=7"],
        ["--time=7", "--time=120"],
    )


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "٣", "soon", " 5", "9" * 5000])
def test_an_invalid_idle_time_is_refused(
    host: Host, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(configuration.IDLE_VARIABLE, text)
    with pytest.raises(EngineUnavailableError, match=configuration.IDLE_VARIABLE):
        connect()
    assert host.started() == []


def test_the_service_inherits_no_descriptors_or_locks(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)  # noqa: FBT003 - as a shell's 9>lock hands it over
    before = os.umask(0o077)
    try:
        endpoint = connect()
    finally:
        os.umask(before)
        os.close(writing)
        os.close(reading)
    (note,) = host.started()
    assert note["session"] == note["pid"]
    assert (note["directory"], note["umask"]) == ("/", 0o022)
    log = endpoint.path.replace(".sock", ".log")
    assert note["descriptors"] == {"0": "/dev/null", "1": log, "2": log, "3": "socket"}


def test_the_service_ignores_and_blocks_no_signal(host: Host) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        connect()
    finally:
        signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    lines = (host.notes / "signals").read_text().splitlines()
    masks = {name: int(mask, 16) for name, _, mask in (line.partition(":") for line in lines)}
    assert masks["SigBlk"] == 0
    ignored = {number for number in launch._SIGNALS if masks["SigIgn"] >> number - 1 & 1}
    assert ignored == set()


def test_closed_standard_streams_do_no_harm(host: Host) -> None:
    # The socket then gets a number that the service needs for its own standard streams.
    kept = [os.dup(number) for number in (0, 1)]
    os.closerange(0, 2)
    try:
        connect()
    finally:
        for number, copy in enumerate(kept):
            os.dup2(copy, number)
            os.close(copy)
    assert host.started()[0]["descriptors"]["3"] == "socket"


def test_the_environment_of_the_service_is_clean(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = (
        "CONTAINER_HOST",
        "LISTEN_FDNAMES",
        "NOTIFY_SOCKET",
        "PODMAN_SOCKET",
        "WATCHDOG_USEC",
    )
    for name in foreign:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", "/auth.json")
    endpoint = podman_service.service(str(host.program))
    with contextlib.closing(endpoint.connect(10)) as connection:
        connection.sendall(b"GET /_ping HTTP/1.1\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    environ = host.started()[0]["environ"]
    assert environ["REGISTRY_AUTH_FILE"] == "/auth.json"
    assert not environ.keys() & set(foreign)


@pytest.mark.parametrize("value", ["", "relative", "/nowhere/at/all", "/dev/null"])
@pytest.mark.parametrize("name", ["TMPDIR", "XDG_RUNTIME_DIR", "HOME"])
def test_a_missing_directory_in_a_variable_is_not_passed_on(
    host: Host, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    usual = {
        "TMPDIR": None,
        "HOME": pwd.getpwuid(os.geteuid()).pw_dir,
        "XDG_RUNTIME_DIR": found if os.path.isdir(found := f"/run/user/{os.geteuid()}") else None,
    }
    connect()
    assert host.started()[0]["environ"].get(name) == usual[name]


def test_existing_directories_are_passed_on(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(host.temporary))
    connect()
    environ = host.started()[0]["environ"]
    assert environ["TMPDIR"] == str(host.temporary)
    assert environ["XDG_RUNTIME_DIR"] == str(host.runtime)


def test_an_ended_service_is_started_again(host: Host) -> None:
    first = connect()
    host.end()
    assert Path(first.path).exists(), "its socket was not removed"
    assert connect() == first
    assert len(host.started()) == 2
    assert len(children._started) == 1, "the first one was collected"


def test_a_service_that_ends_during_the_connection_is_started_again(host: Host) -> None:
    # The first one accepts the connection and ends, as after its idle time.
    host.install(f"test -e {host.notes}/once && {SERVES}\n: > {host.notes}/once\nexit 0")
    connect()
    assert len(host.started()) == 1


def test_files_of_ended_services_are_removed_at_the_next_start(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def service(number: int, *, old: bool) -> Path:
        monkeypatch.setenv(configuration.IDLE_VARIABLE, str(number))
        path = Path(connect().path)
        if old:
            os.utime(path, (1, 1))
        return path

    ended, young, locked = (service(number, old=number != 2) for number in (1, 2, 3))
    host.end()
    with private_directory.locked(str(locked.with_suffix(".lock"))):
        lives = service(4, old=True)
        last = service(5, old=False)
    kept = [young, locked, lives, last]
    found = {path.stem for path in ended.parent.iterdir()}
    assert found == {path.stem for path in kept}
    service(6, old=False)
    assert not locked.with_suffix(".lock").exists()
    assert lives.exists()


def test_a_lock_that_was_removed_meanwhile_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    real = fcntl.flock
    removals = [path.unlink]

    def wait(file: int, operation: int) -> None:
        if removals:
            removals.pop()()
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", wait)
    with (
        private_directory.locked(str(path)),
        pytest.raises(BlockingIOError),
        private_directory.locked(str(path), wait=False),
    ):
        pass
    assert removals == []


# Failures -----------------------------------------------------------------------------------------


def test_a_program_that_ends_at_once_is_quoted(host: Host) -> None:
    host.install(
        "for n in 1 2 3 4 5 6; do echo line $n; done\necho 'Error: no subuid ranges' >&2\nexit 125"
    )
    with pytest.raises(EngineUnavailableError, match="service does not start") as caught:
        connect()
    assert caught.value.hint == (
        "line 3\nline 4\nline 5\nline 6\nError: no subuid ranges\n`podman info` should work first."
    )


def test_a_program_that_never_answers_times_out(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.install("echo 'migrating storage'\nexec sleep 60")
    monkeypatch.setattr(probe, "REACH_SECONDS", 0.4)
    monkeypatch.setattr(podman_engine, "_SLOW_SECONDS", 0.4)
    with pytest.raises(EngineUnavailableError, match="does not answer") as caught:
        connect()
    assert "migrating storage" in caught.value.hint


def test_a_slow_program_is_waited_for_and_a_line_says_so(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "go")
    host.install(f"read line < {tmp_path}/go\n{SERVES}")
    monkeypatch.setattr(podman_engine, "_USUAL_SECONDS", 0.2)
    said = []

    def say(text: str) -> None:
        said.append(text)
        (tmp_path / "go").write_text("now\n")

    monkeypatch.setattr(console, "say", say)
    connect()
    assert said == ["Podman's service is slow to start; waiting for up to 30 s"]


def test_a_program_that_cannot_be_executed_is_reported(host: Host) -> None:
    host.program.write_text("#!/nonexistent/interpreter\n")
    with pytest.raises(EngineUnavailableError, match="does not start") as caught:
        connect()
    assert "not found" in caught.value.hint


def test_a_read_only_directory_is_reported(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def full(path: str, flags: int, mode: int = 0, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return opened(path, flags, mode, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(EngineUnavailableError, match="No space left on device") as caught:
            podman_service.service(str(host.program))
    assert "CONTAINER_HOST" in caught.value.hint


def test_a_log_may_have_any_content_and_size(host: Host) -> None:
    path = host.runtime / "x.log"
    endpoint = Endpoint(url="", path=str(host.runtime / "x.sock"))
    assert podman_service.log_tail(endpoint) == ""
    path.write_bytes(b"x" * 10_000_000 + b"\n\xff\xfe\nlast words\n")
    assert podman_service.log_tail(endpoint).endswith("\n��\nlast words")
    assert len(podman_service.log_tail(endpoint)) < 2001


# The program --------------------------------------------------------------------------------------


def test_the_first_program_on_path_is_used(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    shadows = host.temporary / "podman"
    shadows.mkdir()  # a directory of that name is not a program
    plain = host.runtime / "podman"
    plain.write_text("not executable")
    monkeypatch.setenv("PATH", f"{host.temporary}:{host.runtime}:/absent:{host.program.parent}")
    assert podman_service.find_podman() == str(host.program)


def test_a_program_in_a_relative_directory_is_found_from_anywhere(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(host.program.parent.parent)
    monkeypatch.setenv("PATH", "bin")
    assert podman_service.find_podman() == str(host.program)


def test_no_program_is_an_engine_not_found(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(host.temporary))
    with pytest.raises(EngineNotFoundError, match="Podman is not installed") as caught:
        connect()
    assert "apt-get install podman" in caught.value.hint


# The key ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "BUILDAH_ISOLATION",
        "CONTAINERS_CONF",
        "CONTAINERS_STORAGE_CONF",
        "DBUS_SESSION_BUS_ADDRESS",
        "DOCKER_CONFIG",
        "HOME",
        "HTTPS_PROXY",
        "PATH",
        "REGISTRY_AUTH_FILE",
        "SSL_CERT_FILE",
        "STORAGE_DRIVER",
        "TMPDIR",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "http_proxy",
        "no_proxy",
    ],
)
def test_settings_that_a_service_keeps_are_part_of_its_key(
    host: Host, monkeypatch: pytest.MonkeyPatch, name: str, tmp_path: Path
) -> None:
    before = configuration.service_key(str(host.program))
    monkeypatch.setenv(name, str(tmp_path))
    assert configuration.service_key(str(host.program)) != before


@pytest.mark.parametrize("name", ["TERM", "LANG", "XDG_SESSION_ID", "PWD", "BUILDR_BACKEND"])
def test_other_settings_are_not_part_of_the_key(
    host: Host, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = configuration.service_key(str(host.program))
    monkeypatch.setenv(name, "another")
    assert configuration.service_key(str(host.program)) == before


def test_another_program_or_configuration_uses_another_service(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [configuration.service_key(str(host.program))]
    host.install("exit 1")
    keys.append(configuration.service_key(str(host.program)))
    own = host.runtime.parent / "config/containers/storage.conf"
    own.parent.mkdir(parents=True)
    own.write_text("[storage]")
    keys.append(configuration.service_key(str(host.program)))
    named = host.temporary / "named.conf"
    monkeypatch.setenv("CONTAINERS_CONF", str(named))
    keys.append(configuration.service_key(str(host.program)))
    named.write_text("[containers]")
    keys.append(configuration.service_key(str(host.program)))
    assert len(set(keys)) == len(keys)


# The directory ------------------------------------------------------------------------------------


def test_our_directory_is_private(host: Host) -> None:
    directory = host.runtime / "buildr"
    directory.mkdir(mode=0o755)
    assert private_directory.private_directory() == str(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o707, 0o702])
def test_a_directory_that_others_could_write_to_is_not_trusted(host: Host, mode: int) -> None:
    directory = host.runtime / "buildr"
    directory.mkdir()
    directory.chmod(mode)
    uid = os.geteuid()
    assert private_directory.private_directory() == f"{host.temporary}/buildr-{uid}"
    (host.temporary / f"buildr-{uid}").chmod(mode)
    with pytest.raises(EngineUnavailableError, match="no private directory") as caught:
        private_directory.private_directory()
    assert str(directory) in caught.value.what


def test_a_link_in_place_of_the_directory_is_not_followed(host: Host) -> None:
    (host.runtime / "buildr").symlink_to(host.notes)
    assert private_directory.private_directory().startswith(str(host.temporary))


def test_a_file_in_place_of_the_directory_is_left_alone(host: Host) -> None:
    file = host.runtime / "buildr"
    file.touch(mode=0o600)
    assert private_directory.private_directory().startswith(str(host.temporary))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_another_user_s_directory_is_left_alone(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(EngineUnavailableError, match="no private directory"):
        private_directory.private_directory()
    assert not (host.runtime / "buildr").exists(), "root leaves nothing in a user's directory"


def test_a_runtime_directory_with_a_long_path_is_not_used(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = host.runtime / ("d" * 90)
    deep.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    assert connect().path.startswith(str(host.temporary))


def test_the_runtime_directory_may_be_missing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(host.runtime / "absent"))
    assert private_directory.private_directory().startswith(str(host.temporary))


def test_the_longest_possible_path_is_used() -> None:
    name = "build-4194304-000000000000-000000.sock"  # the largest pid there can be, proc(5)
    directory = "/" + "d" * (107 - len(f"//{name}"))
    assert private_directory._socket_fits(directory)
    assert not private_directory._socket_fits(directory + "d")
    with socket.socket(socket.AF_UNIX) as listener, pytest.raises(FileNotFoundError):
        listener.bind(f"{directory}/{name}")


def test_a_run_with_lower_priority_has_its_own_service(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = configuration.service_key(str(host.program))
    lower = os.getpriority(os.PRIO_PROCESS, 0) + 1
    monkeypatch.setattr(os, "getpriority", lambda *_: lower)
    assert configuration.service_key(str(host.program)) != before
