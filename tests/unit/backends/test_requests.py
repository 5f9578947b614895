"""The requests of the two backends, and the parsing of answers."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import asdict, replace

from buildr.archive.parts import Member
from buildr.archive.tar import pack
from buildr.engines.container_spec import (
    ContainerSpec,
    DeviceSpec,
    HealthCheck,
    MountSpec,
    Network,
    Port,
    Tmpfs,
    Ulimit,
)
from buildr.engines.records import BuildRequest, BuildSecrets, ContainerState, Image
from buildr.errors import (
    BuildError,
    CommandNotFoundError,
    ContainerError,
    EngineError,
    EngineLostError,
    ImageNotFoundError,
    NotExecutableError,
)
from buildr_backends.shared import archives
from tests.unit.backends.engines import PREFIX, REAL, engine, reach, with_routes
from tests.unit.backends.server import (
    always,
    answer,
    answer_json,
    answer_stream,
    hanging,
    routes,
)
from tests.unit.backends.test_frames import frame

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.backends.conftest import Serve

ENGINES = pytest.mark.parametrize("name", ["podman", "docker"])
ID = "a" * 64
IMAGE = f"sha256:{ID}"

# Creating -----------------------------------------------------------------------------------------

FULL = ContainerSpec(
    image=IMAGE,
    command=("python", "-u", "/app/app.py", "--x=$y"),
    environment={"A": "1", "B": "two words=ü"},
    labels={"buildr.uid": "1000"},
    name="mine",
    workdir="/app",
    user="1000:0",
    tty=True,
    ports=(
        Port(host_ip="127.0.0.1", host=8080, container=80),
        Port(host_ip="", host=0, container=80),
        Port(host_ip="::1", host=53, container=53, protocol="udp"),
    ),
    mounts=(
        MountSpec(kind="bind", source="/home/me/a:b", target="/data"),
        MountSpec(kind="bind", source="/home/me", target="/ro", read_only=True, relabel="Z"),
        MountSpec(kind="volume", source="cache", target="/cache", read_only=True),
    ),
    cpus=1.5,
    memory=512 << 20,
    grace_seconds=2.6,
    hardened=True,
    home="/home/app",
)

# From the definition of SpecGenerator in Podman's API, version 4.0.
OF_PODMAN = {
    "image": IMAGE,
    "name": "mine",
    "command": ["python", "-u", "/app/app.py", "--x=$y"],
    "env": {"A": "1", "B": "two words=ü"},
    "unsetenv": ["container"],
    "labels": {"buildr.uid": "1000"},
    "work_dir": "/app",
    "user": "1000:0",
    "manage_password": False,
    "terminal": True,
    "stdin": True,
    "no_new_privileges": True,
    "stop_timeout": 3,
    "shm_size": 64 << 20,
    "portmappings": [
        {"host_ip": "127.0.0.1", "host_port": 8080, "container_port": 80, "protocol": "tcp"},
        {"host_ip": "", "host_port": 0, "container_port": 80, "protocol": "tcp"},
        {"host_ip": "::1", "host_port": 53, "container_port": 53, "protocol": "udp"},
    ],
    "mounts": [
        {
            "type": "bind",
            "source": "/home/me/a:b",
            "destination": "/data",
            "options": ["rbind", "rw"],
        },
        {
            "type": "bind",
            "source": "/home/me",
            "destination": "/ro",
            "options": ["rbind", "ro", "Z"],
        },
        {
            "type": "tmpfs",
            "destination": "/tmp",
            "options": ["rw", "nosuid", "nodev", "noexec", "mode=1777", "notmpcopyup"],
        },
        {
            "type": "tmpfs",
            "destination": "/home/app",
            "options": ["rw", "nosuid", "nodev", "noexec", "mode=1777", "notmpcopyup"],
        },
    ],
    "volumes": [{"Name": "cache", "Dest": "/cache", "Options": ["ro"]}],
    "resource_limits": {
        "cpu": {"period": 100_000, "quota": 150_000},
        "memory": {"limit": 512 << 20, "swap": 1024 << 20},
    },
    "cap_drop": ["ALL"],
    "read_only_filesystem": True,
}

# From ContainerCreate in Docker's Engine API, version 1.41.
OF_DOCKER = {
    "Image": IMAGE,
    "Cmd": ["python", "-u", "/app/app.py", "--x=$y"],
    "Env": ["A=1", "B=two words=ü"],
    "Labels": {"buildr.uid": "1000"},
    "WorkingDir": "/app",
    "User": "1000:0",
    "Tty": True,
    "OpenStdin": True,
    "StdinOnce": True,
    "AttachStdin": True,
    "AttachStdout": True,
    "AttachStderr": True,
    "StopTimeout": 3,
    "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
    "HostConfig": {
        "PortBindings": {
            "80/tcp": [
                {"HostIp": "127.0.0.1", "HostPort": "8080"},
                {"HostIp": "", "HostPort": ""},
            ],
            "53/udp": [{"HostIp": "::1", "HostPort": "53"}],
        },
        "Mounts": [
            {"Type": "bind", "Source": "/home/me/a:b", "Target": "/data", "ReadOnly": False},
            {"Type": "volume", "Source": "cache", "Target": "/cache", "ReadOnly": True},
        ],
        "Binds": ["/home/me:/ro:ro,Z"],
        "NanoCpus": 1_500_000_000,
        "Memory": 512 << 20,
        "PidsLimit": 2048,
        "SecurityOpt": ["no-new-privileges"],
        "ExtraHosts": ["host.containers.internal:host-gateway"],
        "CapDrop": ["ALL"],
        "ReadonlyRootfs": True,
        "Sysctls": {"net.ipv6.conf.lo.disable_ipv6": "0"},
        "Tmpfs": {
            "/tmp": "rw,nosuid,nodev,noexec,mode=1777",
            "/home/app": "rw,nosuid,nodev,noexec,mode=1777",
        },
    },
}


def created(name: str, serve: Serve, spec: ContainerSpec) -> tuple[Any, dict[str, str]]:
    """Return the body and the parameters of a request to create a container."""
    server = serve(with_routes(name, {"POST /containers/create": answer_json({"Id": ID}, 201)}))
    assert reach(name, server).create(spec) == ID
    request = server.requests[-1]
    return request.json, request.query


def test_every_option_has_podman_s_form(serve: Serve) -> None:
    assert created("podman", serve, FULL) == (OF_PODMAN, {})


def test_every_option_has_docker_s_form(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildr_backends.docker.containers._IPV6", "/")  # a host with IPv6
    assert created("docker", serve, FULL) == (OF_DOCKER, {"name": "mine"})


@ENGINES
def test_unset_options_are_left_to_the_image(name: str, serve: Serve) -> None:
    body, query = created(name, serve, ContainerSpec(image=IMAGE))
    assert query == {}
    text = json.dumps(body).lower()
    for word in ("cmd", "command", "entrypoint", "work", "user", "memory", "cpu", '"name"'):
        assert word not in text


BIND = MountSpec(kind="bind", source="/s", target="/t")
PORT = Port(host_ip="127.0.0.1", host=1, container=2)
PLAIN = ContainerSpec(image=IMAGE, ports=(PORT,), mounts=(BIND,), hardened=True)

# Values that differ from PLAIN, for each field.
OTHERS: dict[str, object] = {
    "image": "sha256:" + "b" * 64,
    "command": ("true",),
    "entrypoint": ("/other",),
    "environment": {"A": "b"},
    "labels": {"a": "b"},
    "name": "other",
    "workdir": "/other",
    "user": "other",
    "tty": True,
    "stdin": False,
    "ports": (),
    "mounts": (),
    "tmpfs": (Tmpfs(target="/other"),),
    "cpus": 2.0,
    "memory": 1 << 30,
    "shm_size": 1 << 20,
    "pids_limit": 100,
    "ulimits": (Ulimit(name="nofile", soft=1024, hard=-1),),
    "devices": (
        DeviceSpec(host="/dev/fuse", container="/dev/other", access="rw"),
        DeviceSpec(host="vendor.com/class=name"),
    ),
    "gpus": ("0", "GPU-1"),
    "networks": (Network(name="backend", aliases=("db", "x")),),
    "health": HealthCheck(command=("true",)),
    "restart": "on-failure:3",
    "grace_seconds": 20,
    "logged": False,
    "hardened": False,
    "home": "/other",
}
HINTS = {"image_variables"}  # no wishes: what they say the engine knows
OTHER_PORTS = {"host_ip": "::1", "host": 9, "container": 9, "protocol": "udp"}
OTHER_MOUNTS = {
    "kind": "volume",
    "source": "/other",
    "target": "/other",
    "read_only": True,
    "relabel": "z",
}


def test_the_tables_have_every_field() -> None:
    """A new field must be added to both backends, and then to these tables."""
    assert OTHERS.keys() | HINTS == asdict(PLAIN).keys()
    assert OTHER_PORTS.keys() == asdict(PORT).keys()
    assert OTHER_MOUNTS.keys() == asdict(BIND).keys()


@ENGINES
def test_a_directory_in_memory_has_its_size_and_is_noexec(name: str, serve: Serve) -> None:
    wanted = (Tmpfs(target="/a"), Tmpfs(target="/b", size=1 << 20))
    body, _ = created(name, serve, ContainerSpec(image=IMAGE, tmpfs=wanted))
    if name == "docker":
        found = body["HostConfig"]["Tmpfs"]
    else:
        found = {row["destination"]: ",".join(row["options"]) for row in body["mounts"]}
    assert {path: set(text.split(",")) - {"notmpcopyup"} for path, text in found.items()} == {
        "/a": {"rw", "nosuid", "nodev", "noexec", "mode=1777"},
        "/b": {"rw", "nosuid", "nodev", "noexec", "mode=1777", "size=1048576"},
    }


@ENGINES
def test_a_health_check_has_all_its_times_in_nanoseconds(name: str, serve: Serve) -> None:
    health = HealthCheck(command="true", interval=1.5, timeout=2, retries=4, start_period=0.25)
    body, _ = created(name, serve, ContainerSpec(image=IMAGE, health=health))
    assert body["Healthcheck" if name == "docker" else "healthconfig"] == {
        "Test": ["CMD-SHELL", "true"],
        "Interval": 1_500_000_000,
        "Timeout": 2_000_000_000,
        "Retries": 4,
        "StartPeriod": 250_000_000,
    }


@ENGINES
@pytest.mark.parametrize(
    ("restart", "name_of_it", "tries"),
    [("no", None, 0), ("always", "always", 0), ("on-failure:3", "on-failure", 3)],
)
def test_restart_policies_have_the_engines_forms(
    name: str, serve: Serve, restart: str, name_of_it: str | None, tries: int
) -> None:
    body, _ = created(name, serve, ContainerSpec(image=IMAGE, restart=restart))
    if name == "docker":
        wanted = {"Name": name_of_it, "MaximumRetryCount": tries} if name_of_it else None
        assert body["HostConfig"].get("RestartPolicy") == wanted
    else:
        assert (body.get("restart_policy"), body.get("restart_tries", 0)) == (name_of_it, tries)


@ENGINES
def test_a_requested_tmpfs_is_not_mounted_twice(name: str, serve: Serve) -> None:
    wanted = (Tmpfs(target="/tmp", size=1 << 20),)
    spec = ContainerSpec(image=IMAGE, tmpfs=wanted, hardened=True, home="/home/app")
    text = json.dumps(created(name, serve, spec)[0])
    assert text.count('"/tmp"') == 1
    assert "size=1048576" in text


@ENGINES
@pytest.mark.parametrize("field", OTHERS)
def test_every_field_reaches_the_engine(name: str, serve: Serve, field: str) -> None:
    changed = replace(PLAIN, **{field: OTHERS[field]})
    assert created(name, serve, changed) != created(name, serve, PLAIN)


@pytest.mark.parametrize(
    ("variables", "unset"),
    [
        ((), ["container", "TERM"]),
        (("PATH", "TERM"), ["container"]),
        (("TERM", "container"), []),
    ],
)
def test_podman_unsets_what_the_image_does_not_set(
    serve: Serve, variables: tuple[str, ...], unset: list[str]
) -> None:
    spec = ContainerSpec(image=IMAGE, image_variables=variables)
    assert created("podman", serve, spec)[0]["unsetenv"] == unset


def test_known_variables_of_the_image_are_not_looked_up(serve: Serve) -> None:
    server = serve(with_routes("podman", {"POST /containers/create": answer_json({"Id": ID}, 201)}))
    backend = reach("podman", server)
    before = len(server.requests)
    backend.create(ContainerSpec(image=IMAGE, image_variables=("A",)))
    assert [request.method for request in server.requests[before:]] == ["POST"]


@ENGINES
@pytest.mark.parametrize("field", OTHER_PORTS)
def test_every_field_of_a_port_reaches_the_engine(name: str, serve: Serve, field: str) -> None:
    changed = replace(PLAIN, ports=(replace(PORT, **{field: OTHER_PORTS[field]}),))
    assert created(name, serve, changed) != created(name, serve, PLAIN)


@ENGINES
@pytest.mark.parametrize("kind", ["bind", "volume"])
@pytest.mark.parametrize("field", OTHER_MOUNTS)
def test_every_field_of_a_mount_reaches_the_engine(
    name: str, serve: Serve, kind: str, field: str
) -> None:
    mount = replace(BIND, kind=kind)
    value = "bind" if (field, kind) == ("kind", "volume") else OTHER_MOUNTS[field]
    changed = replace(PLAIN, mounts=(replace(mount, **{field: value}),))
    assert created(name, serve, changed) != created(name, serve, replace(PLAIN, mounts=(mount,)))


@ENGINES
@pytest.mark.parametrize(
    ("home", "mounted", "expected"),
    [
        ("", "/x", ["/tmp"]),
        ("/tmp", "/x", ["/tmp"]),
        ("/h", "/h", ["/tmp"]),
        ("/h", "/tmp", ["/h"]),
    ],
)
def test_nothing_is_mounted_twice_in_a_hardened_container(
    name: str, serve: Serve, home: str, mounted: str, expected: list[str]
) -> None:
    spec = replace(PLAIN, home=home, mounts=(replace(BIND, target=mounted),))
    body, _ = created(name, serve, spec)
    if name == "podman":
        found = [mount["destination"] for mount in body["mounts"] if mount["type"] == "tmpfs"]
    else:
        found = list(body["HostConfig"]["Tmpfs"])
    assert found == expected


@pytest.mark.parametrize(
    ("network", "asked"),
    [
        (None, (None, None)),
        ("none", ({"nsmode": "none"}, None)),
        ("host", ({"nsmode": "host"}, None)),
        ("backend", ({"nsmode": "bridge"}, {"backend": {}})),
    ],
)
def test_a_network_has_podman_s_form(
    serve: Serve, network: str | None, asked: tuple[object, object]
) -> None:
    body, _ = created("podman", serve, ContainerSpec(image=IMAGE, networks=named(network)))
    assert (body.get("netns"), body.get("networks")) == asked


@pytest.mark.parametrize("network", [None, "none", "host", "backend"])
def test_a_network_has_docker_s_form(serve: Serve, network: str | None) -> None:
    body, _ = created("docker", serve, ContainerSpec(image=IMAGE, networks=named(network)))
    assert body["HostConfig"].get("NetworkMode") == network


def named(name: str | None) -> tuple[Network, ...]:
    return (Network(name=name),) if name else ()


NETWORKS = (Network(name="front"), Network(name="back", aliases=("db",)))


def test_podman_joins_all_networks_at_once(serve: Serve) -> None:
    body, _ = created("podman", serve, ContainerSpec(image=IMAGE, networks=NETWORKS))
    assert body["networks"] == {"front": {}, "back": {"aliases": ["db"]}}


def test_docker_joins_the_first_network_and_then_the_others(serve: Serve) -> None:
    server = serve(
        with_routes(
            "docker",
            {
                "POST /containers/create": answer_json({"Id": ID}, 201),
                "POST /networks/back/connect": answer(200),
            },
        )
    )
    backend = reach("docker", server)
    assert backend.create(ContainerSpec(image=IMAGE, networks=NETWORKS)) == ID
    first, second = server.requests[-2:]
    assert json.loads(first.body)["HostConfig"]["NetworkMode"] == "front"
    endpoint = {"Aliases": ["db"]}
    assert json.loads(second.body) == {"Container": ID, "EndpointConfig": endpoint}


def test_a_failure_to_join_a_network_leaves_no_container(serve: Serve) -> None:
    refusal = answer_json({"message": "network back not found"}, 404)
    server = serve(
        with_routes(
            "docker",
            {
                "POST /containers/create": answer_json({"Id": ID}, 201),
                "POST /networks/back/connect": refusal,
                f"DELETE /containers/{ID}": answer(204),
            },
        )
    )
    with pytest.raises(ContainerError, match="cannot join the network back") as caught:
        reach("docker", server).create(ContainerSpec(image=IMAGE, networks=NETWORKS))
    assert "network create" in caught.value.hint
    assert server.requests[-1].method == "DELETE"


def test_docker_gets_the_alias_in_the_first_network(serve: Serve) -> None:
    body, _ = created("docker", serve, ContainerSpec(image=IMAGE, networks=NETWORKS[1:]))
    assert body["NetworkingConfig"] == {"EndpointsConfig": {"back": {"Aliases": ["db"]}}}


# Devices and limits -------------------------------------------------------------------------------

DEVICES = (
    DeviceSpec(host="/dev/fuse", container="/dev/other", access="rw"),
    DeviceSpec(host="vendor.com/class=name"),
)


def test_devices_have_podman_s_form(serve: Serve) -> None:
    spec = ContainerSpec(image=IMAGE, devices=DEVICES, gpus=2)
    body, _ = created("podman", serve, spec)
    assert [row["path"] for row in body["devices"]] == [
        "/dev/fuse:/dev/other:rw",
        "vendor.com/class=name",
        "nvidia.com/gpu=0",
        "nvidia.com/gpu=1",
    ]


@pytest.mark.parametrize(
    ("gpus", "asked"),
    [(-1, {"Count": -1}), (2, {"Count": 2}), (("0", "GPU-1"), {"DeviceIDs": ["0", "GPU-1"]})],
)
def test_devices_have_docker_s_form(serve: Serve, gpus: Any, asked: dict[str, object]) -> None:
    body, _ = created("docker", serve, ContainerSpec(image=IMAGE, devices=DEVICES, gpus=gpus))
    assert body["HostConfig"]["Devices"] == [
        {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/other", "CgroupPermissions": "rw"}
    ]
    assert body["HostConfig"]["DeviceRequests"] == [
        {"Driver": "cdi", "DeviceIDs": ["vendor.com/class=name"]},
        {**asked, "Capabilities": [["gpu"]]},
    ]


@pytest.mark.parametrize(
    ("name", "said", "reported"),
    [
        (
            "docker",
            'could not select device driver "" with capabilities: [[gpu]]',
            "nvidia-ctk runtime configure",
        ),
        ("podman", "setting up CDI devices: unresolvable CDI devices x", "nvidia-ctk cdi generate"),
    ],
)
def test_the_error_of_an_engine_without_gpus_says_what_to_install(
    name: str, said: str, reported: str, serve: Serve
) -> None:
    refusal = answer_json({"message": said, "cause": said}, 500)
    server = serve(
        with_routes(
            name,
            {
                "POST /containers/create": refusal,
                f"GET /images/{IMAGE}/json": answer_json(REAL[name]["image"]),
            },
        )
    )
    with pytest.raises(ContainerError) as caught:
        reach(name, server).create(ContainerSpec(image=IMAGE, image_variables=(), gpus=-1))
    assert said in caught.value.what
    assert reported in caught.value.hint


@ENGINES
def test_process_limits_have_the_engines_forms(name: str, serve: Serve) -> None:
    limits = (
        Ulimit(name="nofile", soft=1, hard=2),
        Ulimit(name="core", soft=-1, hard=-1),
    )
    body, _ = created(name, serve, ContainerSpec(image=IMAGE, ulimits=limits, pids_limit=7))
    if name == "podman":
        none = (1 << 64) - 1  # RLIM_INFINITY
        assert body["r_limits"] == [
            {"type": "nofile", "soft": 1, "hard": 2},
            {"type": "core", "soft": none, "hard": none},
        ]
        assert body["resource_limits"]["pids"] == {"limit": 7}
    else:
        assert body["HostConfig"]["Ulimits"] == [
            {"Name": "nofile", "Soft": 1, "Hard": 2},
            {"Name": "core", "Soft": -1, "Hard": -1},
        ]
        assert body["HostConfig"]["PidsLimit"] == 7


@ENGINES
def test_shared_memory_has_the_requested_size(name: str, serve: Serve) -> None:
    body, _ = created(name, serve, ContainerSpec(image=IMAGE, shm_size=1 << 20))
    assert (body["shm_size"] if name == "podman" else body["HostConfig"]["ShmSize"]) == 1 << 20


@ENGINES
def test_a_taken_name_is_reported_as_such(name: str, serve: Serve) -> None:
    taken = answer_json({"message": "the container name mine is already in use"}, 409)
    script = with_routes(name, {"POST /containers/create": taken})
    with pytest.raises(ContainerError, match="already in use") as caught:
        engine(name, serve, script).create(FULL)
    assert "Is there another container named mine?" in caught.value.hint


@ENGINES
def test_a_removed_image_is_reported_as_such(name: str, serve: Serve) -> None:
    gone = answer_json({"message": "no such image"}, 404)
    script = routes({"GET .*": gone, "POST .*": gone})
    with pytest.raises(ImageNotFoundError):
        engine(name, serve, script).create(ContainerSpec(image=IMAGE))


@ENGINES
@pytest.mark.parametrize("document", [None, [], "x", {}, {"id": "x"}])
def test_an_invalid_answer_to_a_creation_is_an_error(
    name: str, serve: Serve, document: object
) -> None:
    script = with_routes(name, {"POST /containers/create": answer_json(document, 201)})
    with pytest.raises(EngineLostError, match="not what was asked for"):
        engine(name, serve, script).create(ContainerSpec(image=IMAGE))


# Reading ------------------------------------------------------------------------------------------


def state(name: str, serve: Serve, moment: str) -> ContainerState:
    found = engine(name, serve, always(answer_json(REAL[name][moment]))).state(ID)
    assert found is not None
    assert len(found.id) == 64
    assert found.labels["probe"] == "1"
    return found


@ENGINES
@pytest.mark.parametrize(
    ("moment", "running", "exit_code"),
    [
        ("created", False, None),
        ("running", True, None),
        ("exited", False, 3),
        ("killed", False, 137),
        ("not-started", False, None),
    ],
)
def test_each_state_of_a_container_is_read(
    name: str, serve: Serve, moment: str, *, running: bool, exit_code: int | None
) -> None:
    found = state(name, serve, moment)
    assert (found.running, found.exit_code) == (running, exit_code)


@ENGINES
def test_ports_chosen_by_the_engine_are_read(name: str, serve: Serve) -> None:
    ports = {(port.container, port.protocol): port for port in state(name, serve, "running").ports}
    assert ports.keys() == {(80, "tcp"), (53, "udp")}
    assert all(port.host_ip == "127.0.0.1" and port.host > 1024 for port in ports.values())
    assert state(name, serve, "exited").ports == ()


@ENGINES
def test_a_port_that_is_not_bound_yet_is_left_out(name: str, serve: Serve) -> None:
    found = dict(REAL[name]["running"])
    found["NetworkSettings"] = {
        "Ports": {"80/tcp": None, "81/tcp": [{"HostIp": "", "HostPort": ""}]}
    }
    read = engine(name, serve, always(answer_json(found))).state(ID)
    assert read is not None
    assert read.ports == ()


@ENGINES
def test_containers_are_listed(name: str, serve: Serve) -> None:
    server = serve(
        always(answer_json(REAL[name]["list-running"]), answer_json(REAL[name]["list-ended"]))
    )
    backend = reach(name, server)
    (running,) = backend.containers({"probe": "1", "any": ""})
    (ended,) = backend.containers({})
    assert (running.running, running.exit_code) == (True, None)
    assert not ended.running
    assert ended.exit_code == (3 if name == "podman" else None), "Docker's list does not tell"
    assert running.labels["probe"] == "1"
    assert server.requests[0].path == f"{PREFIX[name]}/containers/json"
    assert server.requests[0].query == {"all": "1", "filters": '{"label": ["probe=1", "any"]}'}
    assert server.requests[1].query == {"all": "1", "filters": "{}"}


@ENGINES
def test_both_engines_images_are_read_the_same(name: str, serve: Serve) -> None:
    server = serve(always(answer_json(REAL[name]["image"])))
    found = reach(name, server).image("localhost:5000/me/x y:1")
    assert found is not None
    assert found.id.startswith("sha256:")
    assert len(found.id) == 71
    assert found.tags == ("localhost/buildr/offline-base:bookworm-python3.11",)
    assert found.command == ("python3",)
    assert found.environment == (
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    )
    assert (found.entrypoint, found.user, found.workdir) == ((), "", "")
    assert found.labels["org.opencontainers.image.title"] == "offline-base"
    assert server.requests[0].path == f"{PREFIX[name]}/images/localhost:5000/me/x%20y:1/json"


@ENGINES
def test_the_volumes_of_an_image_are_read(name: str, serve: Serve) -> None:
    image = REAL[name]["image"]
    config = {**image["Config"], "Volumes": {"/app": {}, "/data": {}}}
    server = serve(always(answer_json({**image, "Config": config}), answer_json(image)))
    backend = reach(name, server)
    found = [backend.image("x"), backend.image("x")]
    assert [image and image.volumes for image in found] == [("/app", "/data"), ()]


@ENGINES
def test_images_are_listed_with_their_names(name: str, serve: Serve) -> None:
    (row,) = REAL[name]["images"]
    older = {**row, "Id": "b" * 64, "Created": 1, "RepoTags": ["<none>:<none>"], "Labels": None}
    server = serve(always(answer_json([older, row])))
    newest, oldest = reach(name, server).images({"a": "b"})
    assert newest.tags == ("localhost/buildr/offline-base:bookworm-python3.11",)
    assert newest.size > 0
    assert oldest == Image(id="sha256:" + "b" * 64, size=row["Size"])
    assert server.requests[0].query == {"filters": '{"label": ["a=b"]}'}


@ENGINES
def test_an_empty_archive_is_requested_again(
    name: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Podman 5.8 does for a container that has just ended."""
    monkeypatch.setattr(archives, "_ARCHIVE_PAUSE", 0)
    nothing = answer(200, b"")
    backend = engine(name, serve, always(nothing, nothing, answer(200, b"tar")))
    assert b"".join(backend.get_archive(ID, "/a")) == b"tar"
    with pytest.raises(EngineLostError, match="no data of an archive"):
        b"".join(engine(name, serve, always(nothing)).get_archive(ID, "/a"))


@ENGINES
@pytest.mark.parametrize("used", [False, True])
def test_an_image_is_removed_by_all_its_names_unless_it_is_used(
    name: str, serve: Serve, used: bool
) -> None:
    image = {**REAL[name]["image"], "RepoTags": ["a:1", "b:1"]}
    server = serve(
        routes(
            {
                "DELETE .*/images/sha256.*": answer_json({"message": "it has several names"}, 409),
                "DELETE .*": answer_json([]),
                "GET .*/images/.*": answer_json(image),
                "GET .*/containers/json": answer_json([{"Id": ID}] if used else []),
            }
        )
    )
    with pytest.raises(EngineError) if used else contextlib.nullcontext():
        reach(name, server).remove_image(IMAGE)
    removed = [request.target for request in server.requests if request.method == "DELETE"]
    assert [target.rpartition("/")[2] for target in removed[1:]] == ([] if used else ["a:1", "b:1"])


@ENGINES
@pytest.mark.parametrize(
    ("failures", "message"), [(4, "AlreadyExists"), (5, "AlreadyExists"), (1, "x")]
)
def test_tagging_is_retried_if_another_process_tags_at_the_same_time(
    name: str, serve: Serve, failures: int, message: str
) -> None:
    refused = answer_json({"message": f'image "x": {message}'}, 409)
    server = serve(always(*[refused] * failures, answer_json({})))
    given = failures < 5 and message != "x"
    with contextlib.nullcontext() if given else pytest.raises(EngineError):
        reach(name, server).tag(IMAGE, "a:1")
    assert len(server.requests) == (5 if message != "x" else 1)


@ENGINES
def test_there_may_be_no_images(name: str, serve: Serve) -> None:
    assert engine(name, serve, always(answer_json(None))).images({}) == []


@ENGINES
def test_absent_objects_are_none(name: str, serve: Serve) -> None:
    backend = engine(name, serve, always(answer_json({"message": "no such thing"}, 404)))
    assert backend.image("x") is None
    assert backend.state(ID) is None
    backend.remove_image("x")
    backend.remove(ID)
    backend.kill(ID, 15)
    backend.resize(ID, rows=1, columns=1)


@ENGINES
@pytest.mark.parametrize(
    "document", [None, [], "x", {}, {"Id": 7}, {"Id": ID, "State": {}}, {"Id": ID, "State": None}]
)
def test_inspections_of_another_form_are_a_lost_engine(
    name: str, serve: Serve, document: object
) -> None:
    backend = engine(name, serve, always(answer_json(document)))
    with pytest.raises(EngineLostError, match="not what was asked for"):
        backend.state(ID)
    if not isinstance(document, dict) or not isinstance(document.get("Id"), str):
        with pytest.raises(EngineLostError, match="not what was asked for"):
            backend.image("x")


@ENGINES
@pytest.mark.parametrize("document", ["x", {"a": "b"}, [None], [[]], [{}], [{"Id": 7}]])
def test_lists_of_another_form_are_a_lost_engine(name: str, serve: Serve, document: object) -> None:
    backend = engine(name, serve, always(answer_json(document)))
    with pytest.raises(EngineLostError, match="not what was asked for"):
        backend.images({})


# Building -----------------------------------------------------------------------------------------

REQUEST = BuildRequest(
    context=[b"tar", b"ball"],
    containerfile="Containerfile",
    labels={"a": "b"},
    tags=("localhost:5000/me/hello", "hello:1"),
)
BUILT = answer_stream({"stream": "STEP 1/1: FROM x\n"}, {"stream": f"{ID}\n"})


@ENGINES
def test_a_build_and_its_names(name: str, serve: Serve) -> None:
    server = serve(always(BUILT, answer(201)))
    events: list[object] = []
    assert reach(name, server).build(REQUEST, events.append) == IMAGE
    build, *tags = server.requests
    assert (build.path, build.body) == (f"{PREFIX[name]}/build", b"tarball")
    assert build.headers["content-type"] == "application/x-tar"
    shared = {
        "dockerfile": "Containerfile",
        "labels": '{"a": "b"}',
        "rm": "1",
        "forcerm": "1",
        "nocache": "0",
    }
    assert shared.items() <= build.query.items()
    assert {tuple(request.query.values()) for request in tags} == {
        ("localhost:5000/me/hello", "latest"),
        ("hello", "1"),
    }
    assert {request.path for request in tags} == {f"{PREFIX[name]}/images/{IMAGE}/tag"}
    assert len(events) == 1


def test_options_of_a_build_for_one_engine_only(serve: Serve) -> None:
    found = {}
    for name in ("podman", "docker"):
        server = serve(always(BUILT, answer(201)))
        reach(name, server).build(replace(REQUEST, context=[b""], cache=False), lambda _: None)
        found[name] = server.requests[0].query
        assert found[name]["nocache"] == "1"
    assert found["podman"]["layers"] == "1"
    assert found["podman"]["pullpolicy"] == "never"
    assert found["docker"]["version"] == "1", "the builder that every Docker has"
    assert "pull" not in found["docker"]


def test_podman_gets_secrets_as_files_outside_the_context(
    serve: Serve,
) -> None:
    server = serve(always(BUILT, answer(201)))
    context = pack([Member(path="Own", data=b"FROM x")])
    secrets = BuildSecrets({"token": b"hush", "b.conf": b"\x00\xff"})
    own = replace(REQUEST, context=context, own=True, secrets=secrets)
    reach("podman", server).build(own, lambda _: None)
    build = server.requests[0]
    assert build.query["pullpolicy"] == "missing"
    named = [
        dict(f.split("=") for f in row.split(",")) for row in json.loads(build.query["secrets"])
    ]
    with tarfile.open(fileobj=io.BytesIO(build.body)) as tar:
        found = {m.name: (m.mode, file.read()) for m in tar if (file := tar.extractfile(m))}
    assert found.pop("Own") == (0o644, b"FROM x")
    assert {row["type"] for row in named} == {"file"}
    assert {row["id"]: found.pop(row["src"]) for row in named} == {
        "token": (0o600, b"hush"),
        "b.conf": (0o600, b"\x00\xff"),
    }
    assert found == {}


def test_a_build_gets_the_proxies_of_the_engine_s_own_command(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text('{"proxies": {"default": {"httpProxy": "http://d:1"}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "none"))
    monkeypatch.setenv("HTTP_PROXY", "http://p:1")
    monkeypatch.delenv("http_proxy", raising=False)
    for name, proxy in (("podman", "http://p:1"), ("docker", "http://d:1")):
        server = serve(always(BUILT, answer(201)))
        reach(name, server).build(REQUEST, lambda _: None)
        sent = json.loads(server.requests[0].query["buildargs"])
        assert (sent["http_proxy"], sent["HTTP_PROXY"]) == (proxy, proxy)


@ENGINES
def test_a_refused_build_is_an_error(name: str, serve: Serve) -> None:
    backend = engine(name, serve, always(answer_json({"message": "unknown instruction: FRO"}, 400)))
    with pytest.raises(BuildError, match="refused the build: unknown instruction: FRO"):
        backend.build(REQUEST, lambda _: None)


@ENGINES
def test_a_failed_build_closes_its_connection(name: str, serve: Serve) -> None:
    server = serve(hanging(answer_stream({"error": "no"}, {"stream": "more"})[:-5]))
    with pytest.raises(BuildError):
        reach(name, server).build(REQUEST, lambda _: None)
    server.close()


@ENGINES
def test_a_build_whose_progress_callback_is_interrupted_closes_its_connection(
    name: str, serve: Serve
) -> None:
    server = serve(hanging(BUILT[:-5]))

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reach(name, server).build(REQUEST, interrupt)
    server.close()


# Living -------------------------------------------------------------------------------------------


@ENGINES
def test_requests_for_a_container(name: str, serve: Serve) -> None:
    server = serve(routes({"DELETE .*/images/.*": answer_json([]), ".*": answer(204)}))
    backend = reach(name, server)
    backend.start(ID)
    backend.kill(ID, 15)
    backend.stop(ID, 1.5)
    backend.resize(ID, rows=24, columns=80)
    backend.put_archive(ID, "/tmp/a b", b"tar")
    backend.remove(ID)
    backend.remove_image(IMAGE)
    lines = [f"{request.method} {request.target}" for request in server.requests]
    prefix = f"{PREFIX[name]}/containers/{ID}"
    removal = "force=1&timeout=0" if name == "podman" else "force=1"
    owners = "&copyUIDGID=false" if name == "podman" else ""  # Docker keeps them anyway
    assert lines == [
        f"POST {prefix}/start",
        f"POST {prefix}/kill?signal=15",
        f"POST {prefix}/stop?t=2&timeout=2",  # Docker's name of it, and libpod's
        f"POST {prefix}/resize?h=24&w=80",
        f"PUT {prefix}/archive?path=%2Ftmp%2Fa%20b{owners}",
        f"DELETE {prefix}?{removal}",
        f"DELETE {PREFIX[name]}/images/{IMAGE}",
    ]


@ENGINES
@pytest.mark.parametrize("status", [409, 500])
def test_killing_an_exited_container_is_not_an_error(name: str, serve: Serve, status: int) -> None:
    refused = answer_json({"message": "is not running"}, status)
    engine(name, serve, always(refused, answer_json(REAL[name]["exited"]))).kill(ID, 15)


@ENGINES
def test_a_running_container_that_cannot_be_killed_is_an_error(name: str, serve: Serve) -> None:
    refused = answer_json({"message": "permission denied"}, 500)
    backend = engine(name, serve, always(refused, answer_json(REAL[name]["running"])))
    with pytest.raises(EngineError, match="permission denied"):
        backend.kill(ID, 15)


@ENGINES
@pytest.mark.parametrize("status", [204, 304, 404])
def test_stopping_an_exited_container_is_not_an_error(name: str, serve: Serve, status: int) -> None:
    engine(name, serve, always(answer(status))).stop(ID, 10)


@ENGINES
def test_removing_a_container_twice_is_not_an_error(name: str, serve: Serve) -> None:
    refused = answer_json({"message": "removal is already in progress"}, 409)
    removing = {**REAL[name]["exited"], "State": {"Status": "removing"}}
    engine(name, serve, always(refused, answer_json(removing))).remove(ID)
    engine(name, serve, always(refused, answer_json({}, 404))).remove(ID)


@ENGINES
def test_a_failed_removal_is_an_error(name: str, serve: Serve) -> None:
    refused = answer_json({"message": "in use"}, 409)
    backend = engine(name, serve, always(refused, answer_json(REAL[name]["exited"])))
    with pytest.raises(EngineError, match="in use"):
        backend.remove(ID)


@ENGINES
@pytest.mark.parametrize("status", [404, 409, 500])
def test_resizing_an_exited_container_is_not_an_error(name: str, serve: Serve, status: int) -> None:
    backend = engine(name, serve, always(answer_json({"message": "no"}, status)))
    backend.resize(ID, rows=1, columns=1)


@ENGINES
def test_the_processes_of_a_container_are_counted(name: str, serve: Serve) -> None:
    rows = {"Titles": ["UID", "PID"], "Processes": [["0", "1"], ["1000", "7"]]}
    server = serve(always(answer_json(rows)))
    assert reach(name, server).processes(ID) == 2
    assert server.requests[0].path.endswith(f"/containers/{ID}/top")


@ENGINES
@pytest.mark.parametrize("status", [200, 404, 409, 500])
def test_a_container_that_does_not_run_has_no_processes(
    name: str, serve: Serve, status: int
) -> None:
    said = answer(200) if status == 200 else answer_json({"message": "not running"}, status)
    assert engine(name, serve, always(said)).processes(ID) == 0


@ENGINES
def test_a_missing_command_is_recognized_in_the_engines_messages(name: str, serve: Serve) -> None:
    real = REAL[name]["start-answer"]
    refused = answer_json({"message": real["message"]}, real["status"])
    backend = engine(name, serve, always(refused, answer_json(REAL[name]["not-started"])))
    with pytest.raises(CommandNotFoundError, match="nothing-of-that-name") as caught:
        backend.start(ID)
    assert caught.value.exit_code == 127


@ENGINES
def test_a_command_that_is_not_executable_is_recognized(name: str, serve: Serve) -> None:
    refused = answer_json({"message": "exec: permission denied: OCI permission denied"}, 500)
    container = {**REAL[name]["not-started"], "State": {"Status": "created", "ExitCode": 126}}
    with pytest.raises(NotExecutableError):
        engine(name, serve, always(refused, answer_json(container))).start(ID)


@ENGINES
@pytest.mark.parametrize(
    "message",
    [
        "error setting rlimits for ready process: error setting rlimit type 7: operation not permitted: OCI permission denied",
        "crun: setrlimit `RLIMIT_NOFILE`: Operation not permitted: OCI permission denied",
    ],
)
def test_a_limit_that_cannot_be_raised_is_not_reported_as_a_command_error(
    name: str, serve: Serve, message: str
) -> None:
    refused = answer_json({"message": message, "cause": message}, 500)
    container = {**REAL[name]["not-started"], "State": {"Status": "created", "ExitCode": 126}}
    with pytest.raises(ContainerError, match="cannot start") as caught:
        engine(name, serve, always(refused, answer_json(container))).start(ID)
    assert "ulimit -H -a" in caught.value.hint
    assert caught.value.exit_code == 125


@ENGINES
def test_both_engines_drop_the_same_capabilities(name: str, serve: Serve) -> None:
    body, _ = created(name, serve, ContainerSpec(image=IMAGE))
    dropped = body["cap_drop"] if name == "podman" else body["HostConfig"]["CapDrop"]
    assert dropped == ["AUDIT_WRITE", "MKNOD", "NET_RAW"]


@ENGINES
@pytest.mark.parametrize(
    "message",
    [
        "Bind for 127.0.0.1:8080 failed: port is already allocated",
        "bind: address already in use",
        "pasta failed with exit code 1:\nFailed to bind port 8080 (Address already in use) for option '-t 127.0.0.1/8080-8080:80-80'",
        "pasta failed with exit code 1:\nListen failed for HOST TCP port 127.0.0.1/8080: Address already in use",
    ],
)
def test_a_taken_port_is_recognized(name: str, serve: Serve, message: str) -> None:
    refused = answer_json({"message": message}, 500)
    container = {**REAL[name]["not-started"], "State": {"Status": "created", "ExitCode": 128}}
    with pytest.raises(ContainerError, match="cannot start") as caught:
        engine(name, serve, always(refused, answer_json(container))).start(ID)
    assert "choose another host port" in caught.value.hint
    assert caught.value.exit_code == 125


@pytest.mark.parametrize(
    "message",
    [
        "failed to connect to container's attach socket: …/userdata/attach: no such file or directory",
        "this container is using the 'passthrough' log driver, cannot attach: this container is not logging output",
    ],
)
def test_podman_passes_streams_to_its_service(serve: Serve, message: str) -> None:
    refused = answer_json({"message": message}, 500)
    with pytest.raises(ContainerError, match="cannot start") as caught:
        engine("podman", serve, always(refused)).attach(ID, tty=True)
    assert "`log_driver`" in caught.value.hint


@ENGINES
def test_a_failed_start_says_why_even_if_the_container_is_gone(name: str, serve: Serve) -> None:
    refused = answer_json({"message": "no space left"}, 500)
    backend = engine(name, serve, always(refused, answer_json({"message": "no such"}, 404)))
    with pytest.raises(ContainerError, match="no space left"):
        backend.start(ID)


def test_waiting_with_podman(serve: Serve) -> None:
    ended = answer_json(REAL["podman"]["exited"])
    assert engine("podman", serve, always(ended)).wait(ID) == 3
    running = answer_json(REAL["podman"]["running"])
    server = serve(routes({"GET .*": running, "POST .*/wait": answer_json(137)}))
    assert reach("podman", server).wait(ID) == 137
    assert server.requests[-1].query == {"condition": "stopped", "interval": "2ms"}


def test_waiting_with_docker(serve: Serve) -> None:
    server = serve(always(answer_json({"StatusCode": 137, "Error": None})))
    assert reach("docker", server).wait(ID) == 137
    assert server.requests[0].query == {"condition": "not-running"}


def test_a_failed_wait_with_docker_is_an_error(serve: Serve) -> None:
    failed = answer_json({"StatusCode": 0, "Error": {"Message": "containerd is gone"}})
    with pytest.raises(EngineError, match="containerd is gone"):
        engine("docker", serve, always(failed)).wait(ID)


@ENGINES
@pytest.mark.parametrize("document", [None, "x", {}, [], {"StatusCode": None}])
def test_an_invalid_answer_to_a_wait_is_an_error(name: str, serve: Serve, document: object) -> None:
    state = answer_json(REAL[name]["running"])
    script = routes({"GET .*": state, "POST .*/wait": answer_json(document)})
    with pytest.raises(EngineLostError, match="not what was asked for"):
        engine(name, serve, script).wait(ID)


@ENGINES
def test_archives_are_passed_through(name: str, serve: Serve) -> None:
    server = serve(always(answer(200, b"tar")))
    backend = reach(name, server)
    assert b"".join(backend.get_archive(ID, "/a b")) == b"tar"
    assert b"".join(backend.save(IMAGE)) == b"tar"
    archive, save = server.requests
    assert archive.target == f"{PREFIX[name]}/containers/{ID}/archive?path=%2Fa%20b"
    assert save.path == f"{PREFIX[name]}/images/{IMAGE}/get"
    assert save.query == ({"format": "docker-archive"} if name == "podman" else {})


@ENGINES
@pytest.mark.parametrize("tty", [False, True])
def test_logs_are_decoded_with_the_engine_s_framing(name: str, serve: Serve, *, tty: bool) -> None:
    container = {**REAL[name]["exited"], "Config": {"Tty": tty}}
    framed = name == "podman" or not tty
    data = frame(2, b"text") if framed else b"text"
    script = routes({".*/json": answer_json(container), ".*/logs": answer(200, data)})
    server = serve(script)
    attachment = reach(name, server).logs(ID, follow=True)
    assert [bytes(piece) for _, piece in attachment.read()] == [b"text"]
    assert list(attachment.read()) == []
    attachment.close()
    assert server.requests[-1].query == {"stdout": "1", "stderr": "1", "follow": "1"}


@ENGINES
def test_a_ping_is_one_request(name: str, serve: Serve) -> None:
    server = serve(always(answer(200, b"OK")))
    backend = reach(name, server)
    backend.ping()
    backend.close()
    backend.close()
    assert [request.path for request in server.requests] == [f"{PREFIX[name]}/_ping"]
