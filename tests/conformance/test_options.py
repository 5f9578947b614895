"""The effects of a container's specification, seen from inside."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from buildr.engines.container_spec import (
    HealthCheck,
    MountSpec,
    Network,
    Port,
    Tmpfs,
    Ulimit,
)
from buildr.errors import ContainerError
from tests.conformance.judged import collect
from tests.conformance.test_streams import await_word

if TYPE_CHECKING:
    from pathlib import Path

    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.protocol import Backend
    from tests.conformance.judged import Containers

FACTS = """\
import json, os, resource, sys
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
def writable(path):
    try:
        open(path + "/probe", "w").close()
        return True
    except OSError:
        return False
json.dump({
    "environment": dict(os.environ), "directory": os.getcwd(), "uid": os.getuid(), "gid": os.getgid(),
    "capabilities": int(status["CapBnd"], 16), "effective": int(status["CapEff"], 16), "no_new": status["NoNewPrivs"].strip(),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE), "interfaces": os.listdir("/sys/class/net"),
    "writable": {path: writable(path) for path in ("/", "/tmp", "/data", "/extra")},
    "shm": os.statvfs("/dev/shm").f_frsize * os.statvfs("/dev/shm").f_blocks,
}, sys.stdout)
"""
SERVE = """\
import socket
with socket.create_server(("", 8000)) as server:
    print("ready", flush=True)
    while True:
        with server.accept()[0] as peer:
            peer.sendall(b"from inside")
"""


def facts(containers: Containers, spec: ContainerSpec) -> dict[str, Any]:
    done = containers.run("python3", "-c", FACTS, spec=spec)
    assert done.status == 0, done.errors.decode()
    found: dict[str, Any] = json.loads(done.output)
    return found


def test_directory_user_and_environment_are_as_requested(containers: Containers) -> None:
    hostile = "two words $HOME \\ 'x' \"y\"\nünï"
    spec = containers.spec(
        environment={"HOSTILE": hostile, "EMPTY": ""}, workdir="/tmp", user="1234:0"
    )
    found = facts(containers, spec)
    assert (found["environment"]["HOSTILE"], found["environment"]["EMPTY"]) == (hostile, "")
    assert (found["directory"], found["uid"], found["gid"]) == ("/tmp", 1234, 0)
    assert found["no_new"] == "1"


def test_limits_are_as_requested(containers: Containers) -> None:
    spec = containers.spec(ulimits=(Ulimit(name="nofile", soft=100, hard=200),), shm_size=32 << 20)
    found = facts(containers, spec)
    assert found["files"] == [100, 200]
    assert found["shm"] == 32 << 20


def test_a_hardened_guest_has_no_rights_and_two_writable_directories(
    containers: Containers,
) -> None:
    spec = containers.spec(hardened=True, home="/extra", user="1000:0")
    found = facts(containers, spec)
    assert (found["capabilities"], found["effective"]) == (0, 0)
    assert found["writable"] == {"/": False, "/tmp": True, "/data": False, "/extra": True}


def test_without_a_network_there_is_only_loopback(containers: Containers) -> None:
    found = facts(containers, containers.spec(networks=(Network(name="none"),)))
    assert [name for name in found["interfaces"] if not name.endswith("0")] == ["lo"]


def test_a_port_is_published_and_a_taken_one_is_reported(
    backend: Backend, containers: Containers
) -> None:
    if backend.info.remote:
        pytest.skip("the engine is on another machine")
    free = Port(host_ip="127.0.0.1", host=0, container=8000)
    made, streams = containers.start("python3", "-c", SERVE, spec=containers.spec(ports=(free,)))
    await_word(streams, b"ready")
    streams.close()
    state = backend.state(made)
    assert state is not None
    (bound,) = state.ports
    assert (bound.host_ip, bound.container, bound.protocol) == ("127.0.0.1", 8000, "tcp")
    with socket.create_connection(("127.0.0.1", bound.host)) as peer:
        assert peer.recv(100) == b"from inside"
    taken = containers.create("true", spec=containers.spec(ports=(bound,)))
    with pytest.raises(ContainerError) as caught:
        containers.refuse(taken)
    assert caught.value.hint


def test_directories_are_mounted(backend: Backend, containers: Containers, tmp_path: Path) -> None:
    if backend.info.remote:
        pytest.skip("the engine is on another machine")
    for name in ("own", "looked-at"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
        (tmp_path / name / "file").write_text(name)
    mounts = (
        MountSpec(kind="bind", source=str(tmp_path / "own"), target="/extra"),
        MountSpec(kind="bind", source=str(tmp_path / "looked-at"), target="/seen", read_only=True),
    )
    line = "cat /extra/file /seen/file; echo new >/extra/new; echo new >/seen/new"
    done = containers.run("sh", "-c", line, spec=containers.spec(mounts=mounts))
    assert done.output == b"ownlooked-at"
    assert done.status != 0
    assert (tmp_path / "own/new").read_text() == "new\n"
    assert os.listdir(tmp_path / "looked-at") == ["file"]


def test_a_directory_in_memory_has_its_size(containers: Containers) -> None:
    code = (
        "import os, sys; s = os.statvfs('/extra'); print(s.f_frsize * s.f_blocks);"
        " open('/extra/file', 'w').close(); sys.exit(3)"
    )
    spec = containers.spec(tmpfs=(Tmpfs(target="/extra", size=8 << 20),), user="1000:0")
    done = containers.run("python3", "-c", code, spec=spec)
    assert (done.output, done.status) == (b"%d\n" % (8 << 20), 3)


def test_the_host_has_a_name(containers: Containers) -> None:
    assert containers.run("getent", "hosts", "host.containers.internal").status == 0


def test_health_follows_the_command(backend: Backend, containers: Containers) -> None:
    health = HealthCheck(command=("test", "-e", "/data/well"), interval=1, retries=1)
    made, streams = containers.start("sleep", "7200", spec=containers.spec(health=health))
    streams.close()
    assert backend.health(made) in ("starting", "unhealthy")
    plain, streams = containers.start("sleep", "7200")
    streams.close()
    assert backend.health(plain) == ""
    assert collect(backend.logs(plain)) == (b"", b"")
