"""Engines by ``ssh``: a real daemon, which the engine's user logs in to."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import podman_service
from tests.engine.machines import Sshd, network_namespace, sshd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.engine.harness import Engine

SECONDS = 120  # far beyond what anything here takes
HERE, THERE = "198.51.100.5", "198.51.100.6"
SCRIPT = """\
import os, socket, sys
from buildr import Containerize

def echo():
    sys.stderr.write(sys.stdin.read()[::-1])
    print(sys.argv[2:])
    sys.exit(7)

def wait():
    print("ready", flush=True)
    for line in sys.stdin:
        print("got", line, end="", flush=True)

def serve():
    with socket.create_server(("0.0.0.0", 8080)) as server:
        print("serving", flush=True)
        while True:
            connection, _ = server.accept()
            connection.sendall(b"reached")
            connection.close()

@Containerize
def main():
    globals()[sys.argv[1]]()

if __name__ == "__main__":
    main()
"""


class Far:
    """An engine that is reached by ssh from another user's account, root's."""

    def __init__(self, engine: Engine, daemon: Sshd, path: str, folder: Path) -> None:
        self.engine = engine
        self.daemon = daemon
        self.url = f"ssh://{engine.user or 'root'}@{daemon.place}{path}"
        self.folder, self.home = folder / "project", folder / "home"
        for one in (self.folder, self.home):
            one.mkdir()
        (self.folder / "app.py").write_text(SCRIPT)
        variable = "DOCKER_HOST" if engine.backend == "docker" else "CONTAINER_HOST"
        self.environ = {
            "PATH": f"{daemon.folder}/bin:{os.environ['PATH']}",
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "BUILDR_BACKEND": engine.backend,
            "BUILDR_BASE_IMAGE": engine.base_image,
            variable: self.url,
        }

    def popen(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            env={**self.environ, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(
        self, *words: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> tuple[int, str, str]:
        with self.popen(*words, env=env) as process:
            out, err = process.communicate(stdin)
        return process.returncode, out.decode(), err.decode()

    def left(self) -> list[str]:
        """Return the folders of sockets that processes have left; housekeeping, which goes on after a run, has one of its own."""
        found = []
        for path in self.home.glob("buildr-folder-*"):
            pid = path.name.split("-")[3]
            if not os.path.exists(f"/proc/{pid}") and path.exists():
                found.append(path.name)
        return found

    def forwards(self) -> bool:
        """Whether any ssh forwards a socket."""
        return str(self.home / "buildr-folder") in Path("/proc/net/unix").read_text()


@contextlib.contextmanager
def far(
    engine: Engine, *, inside: Sequence[str] = (), address: str = "127.0.0.1", more: str = ""
) -> Iterator[Far]:
    with contextlib.ExitStack() as stack:
        # The path of a socket is short.
        folder = Path(tempfile.mkdtemp(prefix="far-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        for name in ("sshd", "engine"):
            (folder / name).mkdir()
        path = folder / "engine" / "s"
        if engine.backend == "docker":
            path = Path(engine.environ["DOCKER_HOST"].removeprefix("unix://"))
        else:
            (folder / "engine").chmod(0o777)
            stack.enter_context(podman_service(engine, path, inside))
        daemon = sshd(folder / "sshd", address=address, inside=inside, more=more)
        yield Far(engine, stack.enter_context(daemon), str(path), folder)


@pytest.fixture(scope="module")
def there(engine: Engine) -> Iterator[Far]:
    with far(engine) as found:
        yield found


def until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes do, which gives no event."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_script_runs_with_its_streams_and_its_status(there: Far) -> None:
    status, out, err = there.run("app.py", "echo", "a", stdin=b"abc")
    assert (status, out, err[-3:]) == (7, "['a']\n", "cba"), err
    assert not there.left()


def test_the_engine_says_whether_it_is_rootless_and_it_counts_as_another_machine(
    there: Far,
) -> None:
    code = (
        "from buildr.engines.registry import Choice, load; from buildr.engines.records import Target\n"
        f"backend = load(Choice(name={there.engine.backend!r}, origin=''))(Target())\n"
        "print(backend.info.rootless, backend.info.remote, backend.info.endpoint)\n"
        "backend.close()"
    )
    rootless = there.engine.name == "podman-rootless"
    assert there.run("-c", code)[1] == f"{rootless} True {there.url}\n"


def test_a_folder_of_this_machine_is_not_mounted(there: Far) -> None:
    status, _, err = there.run(*["-m", "buildr", "run", "--mount", "/srv:/srv", "app.py", "echo"])
    assert status == 125
    assert "another machine" in err


def test_an_interrupt_ends_the_container(there: Far) -> None:
    with there.popen("app.py", "wait") as process:
        assert line(process) == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert not there.left()
    assert there.run("-m", "buildr", "ps", "--json")[1].strip() == "[]"


def test_a_run_goes_on_when_the_connection_is_cut(there: Far) -> None:
    with there.popen("app.py", "wait") as process:
        assert line(process) == b"ready\n"
        logins = there.daemon.logins()
        for pid in logins:
            os.kill(pid, signal.SIGKILL)
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        _, err = process.communicate()
    assert process.returncode == 0, err.decode()
    assert not there.left()


def test_nothing_is_left_when_the_host_process_is_killed(there: Far) -> None:
    with there.popen("app.py", "wait") as process:
        assert line(process) == b"ready\n"
        logins = there.daemon.logins()
        process.kill()
    until(
        lambda: not logins & there.daemon.logins()
    )  # the login of the killed process ends with it
    until(lambda: there.run("-m", "buildr", "ps", "--json")[1].strip() == "[]")


def test_a_connection_that_the_user_shares_keeps_nothing_of_a_run(there: Far) -> None:
    client = there.daemon.folder / "client"
    kept = client.read_text()
    client.write_text(
        f"{kept}  ControlMaster auto\n  ControlPath {there.home}/c\n  ControlPersist 60\n"
    )
    try:
        status, _, err = there.run("app.py", "echo")
        assert status == 7, err
        assert (there.home / "c").exists()
        until(lambda: not there.forwards())  # those of housekeeping go, too
        assert not there.left()
    finally:
        words = (
            "-F",
            str(client),
            "-O",
            "exit",
            there.url.removeprefix("ssh://").partition(":")[0],
        )
        port = there.daemon.place.rpartition(":")[2]
        subprocess.run(["/usr/bin/ssh", "-p", port, *words], check=False)
        client.write_text(kept)


# Logins that fail ---------------------------------------------------------------------------------------


def test_a_host_that_is_not_known_is_refused_with_what_to_do(there: Far) -> None:
    known = there.daemon.folder / "known_hosts"
    known.write_text("")
    try:
        status, _, err = there.run("app.py", "echo")
    finally:
        there.daemon.know()
    assert status == 125
    assert "ssh cannot log in" in err
    assert "Host key verification failed" in err
    assert re.search(r"Run `ssh -p \d+ .*` once", err)


def test_a_key_that_is_refused_is_reported_with_what_to_do(there: Far) -> None:
    keys = there.daemon.folder / "keys"
    kept = keys.read_bytes()
    keys.write_bytes(b"")
    try:
        status, _, err = there.run("app.py", "echo")
    finally:
        keys.write_bytes(kept)
    assert status == 125
    assert "Permission denied" in err
    assert "ssh-add" in err


def test_a_socket_that_is_not_there_is_named(there: Far) -> None:
    variable = "DOCKER_HOST" if there.engine.backend == "docker" else "CONTAINER_HOST"
    status, _, err = there.run("app.py", "echo", env={variable: f"{there.url}.old"})
    assert status == 125
    assert "Nothing listens on" in err


def test_a_host_that_forwards_no_sockets_says_so(rootless_podman: Engine) -> None:
    with far(rootless_podman, more="AllowStreamLocalForwarding no") as there:
        status, _, err = there.run("app.py", "echo")
    assert status == 125
    assert "AllowStreamLocalForwarding" in err


# Ports --------------------------------------------------------------------------------------------------


def test_a_published_port_is_reached_at_127_0_0_1_here(rootless_podman: Engine) -> None:
    with (
        network_namespace(HERE, THERE) as inside,
        far(rootless_podman, inside=inside, address=THERE) as there,
    ):
        words = ("-m", "buildr", "run", "-p", "0:8080", "app.py", "serve")
        with there.popen(*words) as process:
            assert process.stderr is not None
            seen = ""
            while not (port := re.search(r"127\.0\.0\.1:(\d+) here", seen)):
                chunk = process.stderr.readline().decode()
                assert chunk, seen
                seen += chunk
            assert line(process) == b"serving\n"
            with socket.create_connection(("127.0.0.1", int(port[1]))) as connection:
                assert connection.recv(20) == b"reached"
            process.send_signal(signal.SIGINT)
            assert process.wait() == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port[1])))


def test_a_detached_run_waits_for_a_port_of_the_other_machine(rootless_podman: Engine) -> None:
    with (
        network_namespace(HERE, THERE) as inside,
        far(rootless_podman, inside=inside, address=THERE) as there,
    ):
        options = ("--detach", "-p", "0:8080", "--wait-for", "port:8080")
        status, name, err = there.run("-m", "buildr", "run", *options, "app.py", "serve")
        assert status == 0, err
        status, _, err = there.run("-m", "buildr", "stop", name.strip())
        assert status == 0, err


def test_a_port_that_is_taken_here_is_named(rootless_podman: Engine) -> None:
    with (
        network_namespace(HERE, THERE) as inside,
        far(rootless_podman, inside=inside, address=THERE) as there,
        socket.create_server(("127.0.0.1", 0)) as taken,
    ):
        port = taken.getsockname()[1]
        words = ("-m", "buildr", "run", "-p", f"{port}:8080", "app.py", "serve")
        status, _, err = there.run(*words)
        assert status == 125
        assert "cannot be forwarded" in err
        assert str(port) in err
        assert there.run("-m", "buildr", "ps", "--json")[1].strip() == "[]"
