"""What a guest or a machine of the local network can do to the host."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import give
from tests.engine.machines import network_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.harness import Engine

CALLED = """\
import os, sys
from buildr import Containerize

def place():
    words = open("/proc/%d/cmdline" % os.getppid(), "rb").read() + open("/proc/self/cmdline", "rb").read()
    folder = next(word.decode() for word in words.split(b"\\0") if word.endswith(b"/calls"))
    return folder + "/answers"

@Containerize(runtime={"call_limit": "1m"})
def fill():
    try:
        with open(place(), "wb", buffering=0) as file:
            for _ in range(256):
                file.write(b"x" * (1 << 20))
    except BrokenPipeError:
        print("the pipe is closed", flush=True)
    return "done"

@Containerize
def leave(status):
    sys.exit(status)

@Containerize
def limit():
    for path in ("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"):
        if os.path.exists(path):
            return open(path).read().strip()
    return ""

if __name__ == "__main__":
    import json
    from buildr.errors import RemoteError
    found = {}
    try:
        fill.remote()
    except RemoteError as error:
        found["fill"] = str(error)
    for status in (0, 3):
        try:
            leave.remote(status)
        except RemoteError as error:
            found[f"leave {status}"] = [error.status, error.type_name]
    found["limit"] = limit.remote()
    print("FOUND " + json.dumps(found))
"""


def test_a_called_function_neither_fills_the_disk_nor_ends_the_program(
    engine: Engine, project: Path
) -> None:
    (project / "called.py").write_text(CALLED)
    give(engine, project)
    done = engine.run(sys.executable, "called.py", cwd=project)
    assert done.returncode == 0, done.stderr.decode()
    said = done.stdout.decode()
    assert "the pipe is closed" in said
    found = json.loads(said.partition("FOUND ")[2])
    assert "ended with status 1 before there was a result" in found["fill"]
    assert found["leave 0"] == [0, "SystemExit"]
    assert found["leave 3"] == [3, "SystemExit"]
    # A rootless engine that cannot set a limit says nothing; nor does Buildr, unless the option asks for one.
    assert found["limit"] == "2048" or engine.name == "podman-rootless"
    assert b"pids_limit" not in done.stderr


# Machines of the local
# network------------------------------------------------------------------------------------------

SERVER = """\
import socket, subprocess
print("address", socket.gethostbyname(socket.gethostname()), flush=True)
with socket.create_server(("0.0.0.0", 8080)) as server:
    print("serving", flush=True)
    while True:
        connection, _ = server.accept()
        connection.sendall(b"reached")
        connection.close()
"""
KNOCK = """\
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as connection:
        connection.settimeout(5)
        print("reached" if connection.recv(20) else "closed")
except OSError as error:
    print(error)
"""


@pytest.fixture
def neighbour() -> Iterator[list[str]]:
    """A machine of the local network; yields the prefix of commands that run there."""
    with network_namespace("198.51.100.1", "198.51.100.2") as inside:
        yield inside


def knock(address: str, port: int, *inside: str) -> str:
    done = subprocess.run(
        [*inside, "/usr/bin/python3", "-c", KNOCK, address, str(port)],
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


def test_a_warning_says_once_if_the_local_network_reaches_a_port_on_loopback(
    engine: Engine, project: Path, neighbour: list[str]
) -> None:
    (project / "server.py").write_text(SERVER)
    give(engine, project)
    warned = []
    for _ in range(2):
        process = engine.popen(
            *(sys.executable, "-m", "buildr", "run", "-p", "0:8080", "server.py"),
            cwd=project,
            env={"XDG_CACHE_HOME": str(project / "cache")},
            stderr=subprocess.STDOUT,
        )
        with process:
            assert process.stdout is not None
            said = ""
            while "serving\n" not in said or " here\n" not in said:
                line = process.stdout.readline().decode()
                assert line, said
                said += line
            address, port = (
                re.search(pattern, said)
                for pattern in (r"address (\S+)", r"127\.0\.0\.1:(\d+) here")
            )
            assert address, said
            assert port, said
            reached = knock(address[1], 8080, *neighbour) == "reached"
            assert knock("127.0.0.1", int(port[1])) == "reached"
            process.terminate()
            said += process.stdout.read().decode()
        warned.append("machines of the local network can reach it" in said)
        if engine.name == "podman-rootless":
            assert not reached
    # The first run warns also where it only may be so: a firewall of the host may block it.
    assert warned in ([True, False], [False, False])
    assert warned[0] or not reached


def test_the_local_network_cannot_reach_a_debugger(
    engine: Engine, project: Path, neighbour: list[str]
) -> None:
    (project / "debugged.py").write_text("print('never')\n")
    give(engine, project)
    process = engine.popen(
        *(sys.executable, "-m", "buildr", "run", "--debug", "0", "--container-name"),
        *(project.name, "debugged.py"),
        cwd=project,
        stderr=subprocess.STDOUT,
    )
    with process:
        assert process.stdout is not None
        said = ""
        while "the script waits for a debugger" not in said or " here\n" not in said:
            line = process.stdout.readline().decode()
            assert line, said
            said += line
        port = re.search(r"port 5678/tcp of the guest is 127\.0\.0\.1:(\d+) here", said)
        assert port, said
        address = engine.cli(
            *("inspect", "--format"),
            "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}{{.NetworkSettings.IPAddress}}",
            project.name,
        )
        if address and engine.name != "podman-rootless":
            address = re.match(r"\d+\.\d+\.\d+\.\d{1,3}", address)[0]  # type: ignore[index]  # the pattern matches
            assert knock(address, 5678, *neighbour) != "reached"
        # The adapter greets each client that it accepts.
        assert knock("127.0.0.1", int(port[1])) == "reached"
        process.terminate()
        process.stdout.read()
