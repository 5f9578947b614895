"""Waiting until a detached container is ready: conditions, ends, and messages."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from buildr.errors import CommandNotFoundError, EngineError, OptionError
from buildr.guest import init
from buildr.options import runtime_options
from buildr.options.wait_for import Condition
from buildr.run import conditions, line_search
from buildr.testing import FakeBackend, run_script, using
from tests.unit.command import command_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.engines.records import ContainerState, EngineInfo, Health
    from buildr.testing import FakeContainer, ScriptResult

TOOL = "../command/tool.py"
SOON = "0.3"  # seconds until a test gives up that waits for what never comes


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return command_project(tmp_path, monkeypatch, "print('this ran on the host')\n")


def run(backend: FakeBackend, *words: str) -> ScriptResult:
    with using(backend):
        return run_script(TOOL, "run", "-d", *words, "app.py")


def until_asked(container: FakeContainer) -> int:
    container.signals.catch(signal.SIGTERM)
    return container.signals.wait()


def writes(text: bytes) -> FakeBackend:
    def guest(container: FakeContainer) -> int:
        container.stdout.write(text)
        return until_asked(container)

    return FakeBackend(guest)


@contextlib.contextmanager
def listening() -> Iterator[int]:
    """Be what a published port leads to: something that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


# The option ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("port:8080", Condition("port", port=8080)),
        ("http:80", Condition("http", port=80, path="/")),
        ("http:80/a?b=c", Condition("http", port=80, path="/a?b=c")),
        ("log:ready: \\d+", Condition("log", pattern="ready: \\d+")),
        ("healthy", Condition("healthy")),
    ],
)
def test_conditions_survive_a_round_trip(written: str, read: Condition) -> None:
    ports = [read.port] if read.port else []
    assert runtime_options({"wait_for": written, "ports": ports}).wait_for == (read,)
    assert runtime_options({"waitFor": [str(read)], "ports": ports}).wait_for == (read,)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ("prot:80", ""),
        ("port", ""),
        ("port:", ""),
        ("healthy:", ""),
        ("port:0", ": a port is a number from 1 to 65535"),
        ("port:65536", ": a port is a number from 1 to 65535"),
        ("http:x/", ": a port is a number from 1 to 65535"),
        ("http:80/ä", ": the path has characters that have to be written as %XX"),
        ("http:80/a b", ": the path has characters that have to be written as %XX"),
        (
            "log:(",
            ": it is not a regular expression: missing ), unterminated subpattern at position 0",
        ),
        (
            "log:a{99999999999}",
            ": it is not a regular expression: the repetition number is too large",
        ),
        (80, ""),
    ],
)
def test_an_invalid_condition_is_refused(wrong: object, problem: str) -> None:
    with pytest.raises(OptionError) as caught:
        runtime_options({"wait_for": [wrong]})
    assert caught.value.what == f"runtime.wait_for[0] cannot be {wrong!r}{problem}"
    assert '"port:N"' in caught.value.hint


def test_a_very_long_pattern_is_refused() -> None:
    with pytest.raises(OptionError, match="a regular expression has at most 1000 characters"):
        runtime_options({"wait_for": f"log:{'a' * 1001}"})


@pytest.mark.parametrize("ports", [[], ["8080:8000"], ["8080/udp"]])
def test_an_unpublished_port_is_refused(ports: list[str]) -> None:
    with pytest.raises(OptionError, match="needs a port that is published, and 8080 is not"):
        runtime_options({"wait_for": "port:8080", "ports": ports})


def test_a_followed_run_cannot_wait_for_conditions() -> None:
    with using(FakeBackend()):
        done = run_script(TOOL, "run", "--wait-for", "log:x", "app.py")
    assert done.status == 2
    assert "--wait-for='log:x' needs --detach" in done.stderr.decode()


def test_ports_of_a_remote_engine_are_refused() -> None:
    backend = FakeBackend(until_asked, remote=True)
    done = run(backend, "-p", "80", "--wait-for", "port:80")
    assert done.status == 2
    assert "that engine is on another machine" in done.stderr.decode()
    assert backend.runs == []


# What comes true ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [b"it is\nready: 1\n", b"ready: 2", b"\xffready: 3\n"])
def test_waiting_for_a_line_of_output(text: bytes) -> None:
    backend = writes(text if text.endswith(b"\n") else text + b"\n")
    done = run(backend, "--wait-for", r"log:ready: \d")
    assert done.status == 0, done.stderr.decode()
    assert backend.runs[0].running


def test_waiting_for_a_late_line_in_pieces() -> None:
    asked = threading.Event()

    def guest(container: FakeContainer) -> int:
        container.stdout.write(b"rea")
        asked.wait(20)
        container.stderr.write(b"something else\n")
        container.stdout.write(b"dy\n")
        return until_asked(container)

    class Backend(FakeBackend):
        def state(self, container: str) -> ContainerState | None:
            asked.set()  # the waiting has begun
            return super().state(container)

    backend = Backend(guest)
    assert run(backend, "--wait-for", "log:^ready$").status == 0


@pytest.mark.parametrize("pattern", ["(a+)+b", "(?:a|a)*b", r"(.*a){20}b", "(a|aa)+$"])
def test_a_slow_pattern_is_limited_in_time(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_search, "SECONDS", 1)
    backend = writes(b"a" * 5000 + b"!\nready\n")
    done = run(backend, "--wait-for", f"log:{pattern}")
    assert done.status == 125
    said = done.stderr.decode()
    why = "in its output: it took more than 1 s of processor time"
    assert f"buildr: error: cannot look for {pattern!r} {why}\n" in said
    assert backend.runs[0].removed


def test_endless_output_is_read_only_until_the_timeout() -> None:
    class Endless:
        def read(self) -> list[tuple[int, bytes]]:
            return [(1, b"one more line\n" * 1000)]

        def close(self) -> None:
            pass

    class Backend(FakeBackend):
        def logs(self, container: str, **given: Any) -> Any:
            return super().logs(container, **given) if given else Endless()

    for pattern in ("never", "never|ever"):
        backend = Backend(until_asked)
        done = run(backend, "--wait-for", f"log:{pattern}", "--wait-seconds", SOON)
        assert "was not ready within 0.3 s" in done.stderr.decode()


def test_an_incomplete_last_line_counts() -> None:
    def guest(container: FakeContainer) -> int:
        container.stdout.write(b"done")
        return 0

    assert run(FakeBackend(guest), "--wait-for", "log:^done$").status == 0


@pytest.mark.parametrize("status", [0, 2, None])
def test_waiting_for_a_listening_port(status: int | None) -> None:
    backend = FakeBackend(until_asked)
    asked = []

    def command(container: FakeContainer) -> int:
        asked.append(container.argv)
        # 2: on the container's own loopback; a proxy has accepted the connection all the same
        return (status or 0) if len(asked) == 1 else 0

    backend.command = command
    if status is None:
        backend.fail("execute", CommandNotFoundError("no python3"))
    with listening() as port:
        done = run(backend, "-p", f"{port}:80", "--wait-for", "port:80")
    assert done.status == 0, done.stderr.decode()
    assert len(asked) == {0: 1, 2: 2, None: 0}[status]
    assert all(argv[-1] == "80" for argv in asked)


class Answer(BaseHTTPRequestHandler):
    statuses: Iterator[int]

    def do_GET(self) -> None:
        self.send_response(next(type(self).statuses) if self.path == "/up?x=1" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_waiting_for_an_http_answer() -> None:
    class Late(Answer):
        statuses = iter((503, 500, 302))

    server = HTTPServer(("127.0.0.1", 0), Late)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        backend = FakeBackend(until_asked)
        published = ("-p", f"{server.server_port}:80")
        done = run(backend, *published, "--wait-for", "http:80/up?x=1")
        assert done.status == 0, done.stderr.decode()
        assert next(Late.statuses, None) is None
        done = run(backend, *published, "--wait-for", "http:80/down", "--wait-seconds", SOON)
        assert "port 80 does not answer /down with a status from 200 to 399" in done.stderr.decode()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_waiting_for_a_health_check() -> None:
    asked = []

    class Backend(FakeBackend):
        def health(self, container: str) -> Health:
            asked.append(container)
            if len(asked) == 2:
                self.runs[0].health = "healthy"
            return super().health(container)

    done = run(Backend(until_asked), "--health-cmd", "true", "--wait-for", "healthy")
    assert (done.status, len(asked)) == (0, 2)


def test_a_health_check_on_request_respects_the_interval() -> None:
    class OnRequest(FakeBackend):
        @property
        def info(self) -> EngineInfo:
            return replace(super().info, health_on_request=True)

    backend = OnRequest(until_asked)
    done = run(backend, "--health-cmd", "true", "--wait-for", "healthy", "--wait-seconds", SOON)
    assert done.status == 125
    assert backend.operations.count("health") == 1
    assert backend.operations.count("state") > 1


def test_all_conditions_must_be_met() -> None:
    conditions = ("--wait-for", "log:one", "--wait-for", "log:two")
    assert run(writes(b"two\none\n"), *conditions).status == 0
    done = run(writes(b"one\n"), *conditions, "--wait-seconds", SOON)
    assert "no line of its output has 'two'" in done.stderr.decode()


# What does not ------------------------------------------------------------------------------------


def test_after_the_timeout_the_run_is_reported_and_removed() -> None:
    backend = writes(b"first\n" + b"line\n" * 9 + b"bad\x1b[1m\n")
    done = run(backend, "--wait-for", "log:never", "--wait-seconds", SOON)
    assert (done.status, done.stdout) == (125, b"")
    assert done.stderr.decode().splitlines()[-13:] == [
        "buildr: error: the container was not ready within 0.3 s: no line of its output has 'never'",
        "Its last lines:",
        *(["  line"] * 9),
        "  bad\\x1b[1m",
        "The container has been removed. More time: wait_seconds (--wait-seconds).",
    ]
    assert backend.runs[0].removed
    assert "runs detached" not in done.stderr.decode()


def test_an_exited_guest_is_not_awaited() -> None:
    backend = FakeBackend(lambda _: 3)
    done = run(backend, "--wait-for", "log:x")
    assert done.status == 125
    assert (
        "the script ended with status 3 before it was ready: no line of its output has 'x'\nIt wrote nothing."
        in done.stderr.decode()
    )
    assert backend.runs[0].removed


def test_a_restarting_guest_is_awaited() -> None:
    backend = FakeBackend(lambda _: 3)
    options = ("--restart", "always", "--wait-for", "log:x", "--wait-seconds", SOON)
    assert "was not ready within 0.3 s" in run(backend, *options).stderr.decode()


def test_a_removed_guest_is_reported() -> None:
    class Backend(FakeBackend):
        def state(self, container: str) -> ContainerState | None:
            self.remove(container)
            return super().state(container)

    done = run(Backend(until_asked), "--wait-for", "log:x")
    assert "the container was removed before it was ready" in done.stderr.decode()


@pytest.mark.parametrize(
    ("health", "options", "what"),
    [
        ("unhealthy", ("--health-cmd", "false"), "the container is unhealthy"),
        ("healthy", (), "the container has no health check that could be waited for"),
    ],
)
def test_an_impossible_health_check_is_reported(
    health: Health, options: tuple[str, ...], what: str
) -> None:
    class Backend(FakeBackend):
        def health(self, container: str) -> Health:
            self.runs[0].health = health
            return super().health(container)

    backend = Backend(until_asked)
    done = run(backend, *options, "--wait-for", "healthy")
    assert what in done.stderr.decode()
    assert (done.status, backend.runs[0].removed) == (125, True)


def test_a_guest_on_its_own_loopback_is_reported() -> None:
    backend = FakeBackend(until_asked)
    backend.command = lambda _: 2
    with listening() as port:
        options = ("-p", f"{port}:80", "--wait-for", "port:80", "--wait-seconds", SOON)
        done = run(backend, *options)
    assert "nothing listens on port 80" in done.stderr.decode()
    assert (
        "It listens on port 80 of 127.0.0.1, which is the container's own" in done.stderr.decode()
    )


def test_unreadable_output_ends_the_wait() -> None:
    backend = FakeBackend(until_asked)
    backend.fail("logs", EngineError("this log cannot be read"), times=None)
    done = run(backend, "--wait-for", "log:x")
    assert "this log cannot be read" in done.stderr.decode()
    assert (done.status, backend.runs[0].removed) == (125, True)


def test_ctrl_c_during_the_wait_removes_the_run() -> None:
    class Backend(FakeBackend):
        def state(self, container: str) -> ContainerState | None:
            os.kill(os.getpid(), signal.SIGINT)
            return super().state(container)

    backend = Backend(until_asked)
    done = run(backend, "--wait-for", "log:x")
    assert (done.status, done.stdout, backend.runs[0].removed) == (0, b"", True)


# The question to the guest's kernel ---------------------------------------------------------------


GUEST = str(Path(init.__file__).parent)


def looked(port: int) -> int:
    return subprocess.run(
        (sys.executable, "-ISc", conditions._LISTENERS, GUEST, str(port)), check=False
    ).returncode


@pytest.mark.parametrize(
    ("family", "address", "status"),
    [
        (socket.AF_INET, "0.0.0.0", 0),
        (socket.AF_INET, "127.0.0.1", 2),
        (socket.AF_INET, "127.1.2.3", 2),
        (socket.AF_INET6, "::", 0),
        (socket.AF_INET6, "::1", 2),
    ],
)
def test_listening_sockets_are_read_from_the_kernel(family: int, address: str, status: int) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as server:
        try:
            server.bind((address, 0))
        except OSError:
            assert family == socket.AF_INET6  # this host has none
            return
        port = server.getsockname()[1]
        assert looked(port) == 3  # bound is not listening
        server.listen()
        assert looked(port) == status
