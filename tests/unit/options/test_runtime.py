from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from buildr.engines.gpus import cdi_names
from buildr.errors import OptionError
from buildr.options import (
    GROUPS,
    Mount,
    Port,
    Runtime,
    RuntimeOptions,
    Tmpfs,
    mount_source,
    runtime_options,
)
from buildr.options.devices import parts
from buildr.options.networks import Network
from buildr.options.ulimits import Ulimit

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024


def test_every_option_has_a_default() -> None:
    runtime = runtime_options(None)

    assert runtime == Runtime()
    assert runtime.grace_seconds == 10
    assert runtime.interrupt == "host"


def test_every_field_of_the_typed_options_is_read() -> None:
    assert tuple(GROUPS["runtime"]) == RuntimeOptions.__struct_fields__ == Runtime.__struct_fields__


def test_a_dict_and_typed_options_are_equivalent() -> None:
    given: dict[str, Any] = {
        "executor": "docker",
        "ports": [8080],
        "public": True,
        "env": {"A": "b", "C": None},
        "mounts": ["./data:/data"],
        "cpus": 2,
        "memory": "1g",
        "shm_size": "256m",
        "pids_limit": 100,
        "ulimits": {"nofile": [1024, 4096]},
        "devices": ["/dev/fuse"],
        "gpus": "all",
        "network": ["backend", {"name": "front", "aliases": ["web"]}],
        "name": "web_1",
        "grace_seconds": 0.5,
        "interrupt": "guest",
        "interrupt_status": 130,
        "hardened": True,
        "mount_source": True,
        "debug": "127.0.0.1:5678",
        "keep": True,
        "replicas": 1,
    }

    assert runtime_options(given) == runtime_options(RuntimeOptions(**given))


def test_validated_options_validate_to_themselves() -> None:
    once = runtime_options(
        {"ports": [80, "[::1]:81:82/udp"], "mounts": ["v1:/v:ro,z"], "memory": "1g", "public": True}
    )

    assert runtime_options(once) == once


@pytest.mark.parametrize(
    ("other", "name", "value"),
    [
        ("graceSeconds", "grace_seconds", 3),
        ("publicAddress", "public", True),
        ("public_address", "public", True),
    ],
)
def test_metaparticles_names_work(other: str, name: str, value: object) -> None:
    assert runtime_options({other: value}) == runtime_options({name: value})


# Ports --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "ports"),
    [
        (8080, [Port("127.0.0.1", 8080, 8080)]),
        ("8080", [Port("127.0.0.1", 8080, 8080)]),
        ("8080:80", [Port("127.0.0.1", 8080, 80)]),
        ("53:53/udp", [Port("127.0.0.1", 53, 53, "udp")]),
        ("127.0.0.2:8080:80/udp", [Port("127.0.0.2", 8080, 80, "udp")]),
        ("0.0.0.0:80:80", [Port("0.0.0.0", 80, 80)]),
        ("[::1]:80:80", [Port("::1", 80, 80)]),
        ("[0:0::1]:80:80", [Port("::1", 80, 80)]),
        ("0:80", [Port("127.0.0.1", 0, 80)]),
        ("127.0.0.1::80", [Port("127.0.0.1", 0, 80)]),
        (
            "8000-8001:9000-9001",
            [Port("127.0.0.1", 8000, 9000), Port("127.0.0.1", 8001, 9001)],
        ),
        ("0:8-9", [Port("127.0.0.1", 0, 8), Port("127.0.0.1", 0, 9)]),
        ("8-9/sctp", [Port("127.0.0.1", 8, 8, "sctp"), Port("127.0.0.1", 9, 9, "sctp")]),
        (Port("", 65535, 1), [Port("", 65535, 1)]),
    ],
)
def test_a_port_is_bound_to_loopback_by_default(given: int | str | Port, ports: list[Port]) -> None:
    assert list(runtime_options({"ports": [given]}).ports) == ports


@pytest.mark.parametrize(
    ("given", "port"),
    [
        (5678, Port("127.0.0.1", 5678, 5678)),
        ("7000", Port("127.0.0.1", 7000, 7000)),
        (0, Port("127.0.0.1", 0, 5678)),
        ("0.0.0.0:0", Port("0.0.0.0", 0, 5678)),
        ("[::1]:7000", Port("::1", 7000, 7000)),
    ],
)
def test_a_debugger_listens_on_loopback_by_default(given: int | str, port: Port) -> None:
    assert runtime_options({"debug": given, "public": True}).debug == port


@pytest.mark.parametrize(("debug", "ports"), [(5678, [5678]), (0, ["9:5678"]), (7000, ["7000:80"])])
def test_a_debugger_and_a_published_port_must_differ(debug: int, ports: list[Any]) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.debug and runtime\.ports both have"):
        runtime_options({"debug": debug, "ports": ports})
    runtime_options({"debug": debug, "ports": ["8:80", "5678:5678/udp"]})


def test_public_binds_ports_without_an_address_to_every_interface() -> None:
    runtime = runtime_options({"ports": [80, "127.0.0.1:81:81"], "public": True})

    assert runtime.ports == (Port("", 80, 80), Port("127.0.0.1", 81, 81))


def test_a_dict_maps_container_ports_to_host_ports() -> None:
    runtime = runtime_options({"ports": {80: 8080, "53/udp": "5353", 90: None}})

    assert runtime.ports == (
        Port("127.0.0.1", 8080, 80),
        Port("127.0.0.1", 5353, 53, "udp"),
        Port("127.0.0.1", 0, 90),
    )


def test_a_port_given_twice_is_published_once() -> None:
    assert runtime_options({"ports": [80, "80:80"]}).ports == (Port("127.0.0.1", 80, 80),)


@pytest.mark.parametrize(
    "ports",
    [
        ["80:1", "80:2"],
        ["0.0.0.0:80:1", "127.0.0.1:80:1"],
        ["127.0.0.1:80:1", Port("", 80, 2)],
    ],
)
def test_a_host_port_can_be_used_once(ports: list[str | Port]) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.ports cannot be .* two of the container"):
        runtime_options({"ports": ports})


@pytest.mark.parametrize("ports", [["80:80", "80:80/udp"], ["127.0.0.1:80:1", "[::1]:80:1"]])
def test_ports_with_different_protocols_or_addresses_coexist(ports: list[str]) -> None:
    assert len(runtime_options({"ports": ports}).ports) == 2


@pytest.mark.parametrize(
    "port",
    [
        0,
        -1,
        65536,
        80.0,
        True,
        None,
        b"80",
        "",
        "http",
        "0",
        "80:0",
        "80:65536",
        "65536:80",
        "-80",
        "80:",
        ":80",
        "80:80:80",
        "80:80:80:80",
        "127.0.0.1:80",
        "1.2.3:80:80",
        "256.0.0.1:80:80",
        "localhost:80:80",
        "::1:80:80",
        "[::1]:80",
        "[::1%eth0]:80:80",
        "[::1:80:80",
        "[127.0.0.1",
        "80/",
        "80/icmp",
        "80/TCP",
        "80/tcp/udp",
        "81-80",
        "0-1:1-2",
        "1-2:1-3",
        "1-3:1",
        "80\n",
        " 80",
        "\uff18\uff10",
        "80:80\nx",
        Port("nowhere", 80, 80),
        Port("", 70000, 80),
        Port("", 80, 0),
        Port("", "80", 80),  # type: ignore[arg-type] # users are not checked by mypy
        Port("", 80, 80, "icmp"),  # type: ignore[arg-type] # users are not checked by mypy
    ],
)
def test_an_invalid_port_is_refused_with_its_index(port: Any) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.ports\[1\].* cannot be ") as caught:
        runtime_options({"ports": [1, port]})

    assert "accepted: " in caught.value.hint


@pytest.mark.parametrize(
    "ports",
    [80, "80", {80: 0.5}, {80: "a"}, {None: 80}, {True: 80}, {80: [("x", 1)]}],
)
def test_ports_that_are_neither_a_list_nor_a_dict_are_refused(ports: Any) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.ports cannot be "):
        runtime_options({"ports": ports})


@pytest.mark.parametrize("wrap", [lambda port: [port], lambda port: {80: port}])
def test_a_number_too_long_to_be_shown_is_refused(wrap: Callable[[int], Any]) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.ports.* cannot be "):
        runtime_options({"ports": wrap(10**5000)})


# Environment --------------------------------------------------------------------------------------


def test_the_environment_accepts_any_text_and_none() -> None:
    env = {"A": "b c\n$'\"", "ü-1": "ü", "HOST": None, "EMPTY": ""}

    assert runtime_options({"env": env}).env == env


def test_the_environment_may_be_a_list_as_toml_has_no_none() -> None:
    given = ["A=b=c", "EMPTY=", "HOST"]

    assert runtime_options({"env": given}).env == {"A": "b=c", "EMPTY": "", "HOST": None}


@pytest.mark.parametrize(
    "env",
    [
        {"": "x"},
        {"A=B": "x"},
        {"A\0": "x"},
        {"A\n": "x"},
        {1: "x"},
        {"BUILDR_IN_CONTAINER": "1"},
        {"METAPARTICLE_IN_CONTAINER": None},
        {"A": 8080},
        {"A": b"x"},
        {"A": "x\0"},
        {"A": "\udcff"},
        ["=x"],
        ["A=x", 8],
        "A=x",
    ],
)
def test_an_invalid_variable_is_refused(env: Any) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.env"):
        runtime_options({"env": env})


@pytest.mark.parametrize(
    "env", [{"A": b"hunter2"}, {"A": "hunter2\0"}, ["A=hunter2", 8], "A=hunter2"]
)
def test_no_error_shows_a_value_of_the_environment(env: Any) -> None:
    with pytest.raises(OptionError) as caught:
        runtime_options({"env": env})

    assert "hunter2" not in str(caught.value)


# Mounts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "mount"),
    [
        ("./data:/data", Mount("./data", "/data")),
        ("~/data:/data/:ro", Mount("~/data", "/data", read_only=True)),
        ("/a b:/c d:rw", Mount("/a b", "/c d")),
        ("vol-1:/data:Z,ro", Mount("vol-1", "/data", read_only=True, relabel="Z")),
        ({"source": "/a:b", "target": "/c:d"}, Mount("/a:b", "/c:d")),
        (
            {"source": Path("data"), "target": "/data", "readOnly": True, "relabel": "z"},
            Mount("./data", "/data", read_only=True, relabel="z"),
        ),
        (Mount("..", "/up"), Mount("..", "/up")),
    ],
)
def test_a_mount_is_accepted(given: Any, mount: Mount) -> None:
    assert runtime_options({"mounts": [given]}).mounts == (mount,)


@pytest.mark.parametrize(
    "mount",
    [
        "",
        "/data",
        ":/data",
        "/a:",
        "/a:b",
        "/a:/",
        "/a:/b/..",
        "/a:/b:",
        "/a:/b:ro,rw",
        "/a:/b:z,Z",
        "/a:/b:ro,ro",
        "/a:/b:U",
        "/a:/b:ro:z",
        "a b:/c",
        "v:/c",
        "/a\n:/b",
        "/a:/b\n",
        "/\ud800:/b",
        5,
        None,
        {"source": "/a"},
        {"source": "/a", "target": "/b", "mode": "ro"},
        {"source": "/a", "target": "/b", "read_only": "yes"},
        {"source": "/a", "target": "/b", "relabel": "shared"},
        Mount("", "/b"),
        Mount("/a", "b"),
        Mount("/a", "/b", read_only=1),  # type: ignore[arg-type] # users are not checked by mypy
    ],
)
def test_an_invalid_mount_is_refused_with_its_index(mount: Any) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.mounts\[1\].* cannot be "):
        runtime_options({"mounts": ["/x:/x", mount]})


def test_a_mount_has_one_label_at_most() -> None:
    with pytest.raises(OptionError, match=r"mounts\[0\] cannot be '/a:/b:z,Z': .* one of z and Z"):
        runtime_options({"mounts": ["/a:/b:z,Z"]})


def test_two_mounts_cannot_have_one_target() -> None:
    with pytest.raises(OptionError, match="two mounts have this target"):
        runtime_options({"mounts": ["/a:/x", "/b:/x/"]})


def test_one_mount_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^runtime\.mounts cannot be '/a:/b'"):
        runtime_options({"mounts": "/a:/b"})


def test_a_source_is_absolute_for_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")

    assert mount_source(Mount("./data", "/x"), "/project") == "/project/data"
    assert mount_source(Mount("../data", "/x"), "/project") == "/data"
    assert mount_source(Mount("~/data", "/x"), "/project") == "/home/me/data"
    assert mount_source(Mount("/srv", "/x"), "/project") == "/srv"
    assert mount_source(Mount("data", "/x"), "/project") == "data"


def test_the_home_of_an_unknown_user_is_refused() -> None:
    with pytest.raises(OptionError, match="home directory"):
        mount_source(Mount("~no-such-user-here/x", "/x"), "/project")


# Limits and the rest ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ("512m", 512 * MIB),
        ("512mb", 512 * MIB),
        ("512 MiB", 512 * MIB),
        ("1.5GiB", 1536 * MIB),
        ("1g", 1024 * MIB),
        ("6291456", 6 * MIB),
        ("6291456b", 6 * MIB),
        (6 * MIB, 6 * MIB),
        ("1t", 1024 * 1024 * MIB),
    ],
)
def test_memory_is_in_bytes(given: str | int, size: int) -> None:
    assert runtime_options({"memory": given}).memory == size


@pytest.mark.parametrize(
    "memory",
    [
        "",
        "m",
        "5m",
        "-1g",
        "1e9",
        "1gg",
        "1ib",
        "1 g b",
        "1.g",
        ".5g",
        "1g\n",
        "\u0665g",
        "9" * 19 + "p",
        "9" * 5000,
        6 * MIB - 1,
        0,
        -1,
        10**30,
        1e9,
        True,
        b"1g",
    ],
)
def test_an_invalid_memory_size_is_refused(memory: Any) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.memory cannot be ") as caught:
        runtime_options({"memory": memory})

    assert "at least 6 MiB" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cpus", 0),
        ("cpus", -1),
        ("cpus", "1"),
        ("cpus", True),
        ("cpus", float("nan")),
        ("cpus", float("inf")),
        ("cpus", 10**400),
        ("grace_seconds", -0.1),
        ("grace_seconds", float("nan")),
        ("grace_seconds", "10s"),
        ("name", ""),
        ("name", "a"),
        ("name", "-web"),
        ("name", "web/1"),
        ("name", "web\n"),
        ("name", "wéb"),
        ("name", 1),
        ("executor", "pod/man"),
        ("executor", "podman\n"),
        ("public", "yes"),
        ("public", []),
        ("hardened", 1),
        ("keep", "yes"),
        ("detach", 1),
        ("debug", "localhost:5678"),
        ("debug", "65536"),
        ("debug", -1),
        ("debug", True),
        ("debug", "5678/udp"),
        ("debug", ":5678"),
        ("debug", ""),
        ("interrupt", "both"),
        ("interrupt", 1),
        ("interrupt_status", 256),
        ("interrupt_status", -1),
        ("interrupt_status", "130"),
        ("interrupt_status", True),
        ("replicas", 0),
        ("replicas", "2"),
        ("replicas", 1.0),
        ("shard_spec", 3),
        ("shard_spec", {}),
        ("shard_spec", {"shards": "3"}),
        ("shard_spec", {"shards": 0}),
        ("shard_spec", {"shards": 2, "urlPattern": 5}),
        ("shard_spec", {"shards": 2, "pattern": "x"}),
        ("job_spec", {"iterations": 0}),
        ("job_spec", {"iterations": 1, "x": 1}),
        ("job_spec", []),
    ],
)
def test_an_invalid_value_is_refused_with_the_option_s_name(name: str, value: object) -> None:
    for given in ({name: value}, structs.replace(RuntimeOptions(), **{name: value})):
        with pytest.raises(OptionError, match=rf"^runtime\.{name}\S* cannot be ") as caught:
            runtime_options(given)
        assert caught.value.hint.startswith("accepted: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("replicas", 2),
        ("shard_spec", {"shards": 3, "urlPattern": "/users/(.*)"}),
        ("shardSpec", {"shards": 3, "shardExpression": ".*"}),
        ("jobSpec", {"iterations": 4}),
    ],
)
def test_options_for_clusters_are_refused(name: str, value: object) -> None:
    with pytest.raises(OptionError, match="is not supported yet: one engine runs one container"):
        runtime_options({name: value})


def test_one_replica_is_accepted() -> None:
    assert runtime_options({"replicas": 1}).replicas == 1


@pytest.mark.parametrize("unknown", ["port", "tag", "volumes"])
def test_an_unknown_option_is_refused(unknown: str) -> None:
    with pytest.raises(OptionError, match=rf"^runtime\.{unknown} is not an option"):
        runtime_options({unknown: 1})


# Directories in memory ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("/scratch", Tmpfs("/scratch")),
        ("/a//b/:size=64m", Tmpfs("/a/b", 64 << 20)),
        ({"target": "/scratch", "size": "1k"}, Tmpfs("/scratch", 1024)),
        (Tmpfs("/scratch", 5), Tmpfs("/scratch", 5)),
    ],
)
def test_a_tmpfs_has_a_target_and_an_optional_size(given: Any, found: Tmpfs) -> None:
    assert runtime_options({"tmpfs": [given]}).tmpfs == (found,)


@pytest.mark.parametrize(
    "given",
    ["scratch", "/", "/a/../b", "/a:", "/a:64m", "/a:size=", "/a:size=0", "/a:size=x", "/a:b:c",
     {"size": 1}, {"target": "/a", "mode": 7}, 3],
)  # fmt: skip
def test_an_invalid_tmpfs_is_refused(given: Any) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.tmpfs\[0\]"):
        runtime_options({"tmpfs": [given]})


def test_a_target_is_mounted_once() -> None:
    with pytest.raises(OptionError, match="it is given twice"):
        runtime_options({"tmpfs": ["/a", "/a/"]})
    with pytest.raises(OptionError, match=r"tmpfs and runtime\.mounts both have the target /a"):
        runtime_options({"tmpfs": ["/a"], "mounts": ["v1:/a"]})


# Network and shared memory ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["none", "host", "backend", "a", "my-net_1.x"])
def test_a_network_is_accepted(name: str) -> None:
    assert runtime_options({"network": name}).network == (Network(name),)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "-a",
        "a b",
        "a\n",
        "container:x",
        "ns:/x",
        "bridge",
        "default",
        "private",
        3,
        [3],
        ["a", "a"],
        ["none", "a"],
    ],
)
def test_networks_of_a_single_engine_are_refused(given: Any) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.network(\[\d\])? cannot be"):
        runtime_options({"network": given})


@pytest.mark.parametrize("network", ["none", "host"])
@pytest.mark.parametrize("option", ["ports", "debug"])
def test_ports_need_a_separate_network(network: str, option: str) -> None:
    given: dict[str, Any] = {"network": network, option: [80] if option == "ports" else 80}
    with pytest.raises(OptionError, match=rf"runtime\.{option} and runtime\.network='{network}'"):
        runtime_options(given)
    assert runtime_options({**given, "network": "backend"}).network == (Network("backend"),)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("backend:alias=db", (Network("backend", ("db",)),)),
        (["front", "back:alias=db,alias=x"], (Network("front"), Network("back", ("db", "x")))),
        ({"name": "back", "aliases": ["db"]}, (Network("back", ("db",)),)),
        ([{"name": "front"}, Network("back")], (Network("front"), Network("back"))),
        ([], ()),
    ],
)
def test_networks_have_aliases_for_the_container(given: Any, found: object) -> None:
    assert runtime_options({"network": given}).network == found


@pytest.mark.parametrize(
    "given",
    [
        "a:db",
        "a:alias=",
        "a:alias=-x",
        "none:alias=x",
        "a:",
        {"aliases": ["x"]},
        {"name": "a", "x": 1},
    ],
)
def test_an_invalid_alias_is_refused(given: Any) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.network"):
        runtime_options({"network": given})


# Devices and limits -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("/dev/fuse", ("/dev/fuse", "/dev/fuse", "rwm")),
        ("/dev/fuse:r", ("/dev/fuse", "/dev/fuse", "r")),
        ("/dev/a:/dev/b", ("/dev/a", "/dev/b", "rwm")),
        ("/dev/dri/card0:/dev/b:rw", ("/dev/dri/card0", "/dev/b", "rw")),
    ],
)
def test_a_device_has_two_paths_and_an_access(given: str, found: tuple[str, str, str]) -> None:
    (device,) = runtime_options({"devices": [given]}).devices
    assert parts(device) == found


@pytest.mark.parametrize("given", ["vendor.com/class=name", "amd.com/gpu=all", "x.io/a=GPU-1:0"])
def test_a_device_may_have_a_name_of_its_interface(given: str) -> None:
    assert runtime_options({"devices": [given]}).devices == (given,)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "fuse",
        "/etc/passwd",
        "/dev/a:x",
        "/dev/a:/b:rwx",
        "/dev/../etc/x",
        "vendor/x",
        "/dev/a:",
        3,
    ],
)
def test_an_invalid_device_is_refused(given: Any) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.devices\[0\] cannot be"):
        runtime_options({"devices": [given]})


@pytest.mark.parametrize(
    ("given", "found", "names"),
    [
        ("all", -1, ["nvidia.com/gpu=all"]),
        (2, 2, ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]),
        ("2", 2, ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]),
        ("device=0,GPU-a", ("0", "GPU-a"), ["nvidia.com/gpu=0", "nvidia.com/gpu=GPU-a"]),
        ([0, "GPU-a"], ("0", "GPU-a"), ["nvidia.com/gpu=0", "nvidia.com/gpu=GPU-a"]),
    ],
)
def test_gpus_are_counted_or_named(given: Any, found: object, names: list[str]) -> None:
    gpus = runtime_options({"gpus": given}).gpus
    assert gpus == found
    assert cdi_names(gpus) == names


@pytest.mark.parametrize(
    "given", [0, -2, "0", "none", "", [], [True], ["a b"], 1.5, True, "device="]
)
def test_invalid_gpus_are_refused(given: Any) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.gpus"):
        runtime_options({"gpus": given})


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"nofile": 1024}, (Ulimit("nofile", 1024, 1024),)),
        (
            {"nofile": [10, 20], "core": "unlimited"},
            (Ulimit("nofile", 10, 20), Ulimit("core", -1, -1)),
        ),
        (["nofile=10:unlimited", "core=0"], (Ulimit("nofile", 10, -1), Ulimit("core", 0, 0))),
        ([Ulimit("nproc", 1, 2)], (Ulimit("nproc", 1, 2),)),
    ],
)
def test_limits_of_processes_are_soft_and_hard(given: Any, found: object) -> None:
    assert runtime_options({"ulimits": given}).ulimits == found


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"nofiles": 1}, "did you mean 'nofile'"),
        ({"nofile": [20, 10]}, "above the hard"),
        ({"nofile": [-1, 10]}, "above the hard"),
        ({"nofile": -2}, "cannot be -2"),
        ({"nofile": [1, 2, 3]}, "cannot be"),
        ({"nofile": True}, "cannot be True"),
        (["nofile"], "cannot be 'nofile'"),
        (["nofile=x"], "cannot be 'x'"),
        (["core=1", "core=2"], "twice"),
        ("nofile=1", "cannot be"),
    ],
)
def test_an_invalid_process_limit_is_refused(given: Any, why: str) -> None:
    with pytest.raises(OptionError, match=rf"^runtime\.ulimits.*{why}"):
        runtime_options({"ulimits": given})


@pytest.mark.parametrize("given", [0, -1, "many", 1.5, True])
def test_at_least_one_process_is_allowed(given: Any) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.pids_limit cannot be"):
        runtime_options({"pids_limit": given})


def test_shared_memory_has_at_least_one_page() -> None:
    assert runtime_options({"shm_size": "4k"}).shm_size == 4096
    with pytest.raises(OptionError, match=r"^runtime\.shm_size cannot be 4095.*less than one page"):
        runtime_options({"shm_size": 4095})
