"""The effects of the options of a run: ports, environment, mounts, limits, rights, name."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.harness import Engine
from tests.engine.images import nothing_left as check_nothing_left
from tests.engine.images import site as make_site

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from tests.engine.images import Site

LOOPBACK, OTHER_LOOPBACK = "127.0.0.1", "127.0.0.2"
FAILED = 125
MIB = 1 << 20
SECONDS = 60  # for one answer, however slow the machine
PORT = 8080  # of the guest

# The options come from outside, so that all cases share one image.
SCRIPT = """\
import json, os, sys
from buildr import Containerize

@Containerize(package={{"name": {name!r}}}, runtime=json.loads(os.environ.get("OPTIONS", "{{}}")))
def main():
    exec(sys.argv[1], globals())

if __name__ == "__main__":
    main()
"""

SERVE = """
import socket
server = socket.create_server(("", 8080))
print("ready")
while True:
    connection, _ = server.accept()
    connection.sendall(b"hello from the guest")
    connection.close()
"""
WAIT = """
print("ready")
sys.stdin.read()
"""
ENVIRONMENT = "print(json.dumps(dict(os.environ)))"


@pytest.fixture(autouse=True)
def nothing_left(engine: Engine) -> Iterator[None]:
    yield from check_nothing_left(engine)


@pytest.fixture(scope="module")
def site(engine: Engine) -> Iterator[Site]:
    """A project with a built image."""
    for made in make_site(engine):
        made.write({"app.py": SCRIPT.format(name=made.name)})
        done = made.run("app.py", "pass")
        assert done.returncode == 0, done.stderr.decode()
        yield made


@pytest.fixture
def name() -> str:
    """A unique name for a container."""
    return f"buildr-test-{secrets.token_hex(5)}"


def run(
    site: Site,
    code: str,
    options: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    return site.run("app.py", code, env={"OPTIONS": json.dumps(options or {}), **(env or {})})


def printed(
    site: Site,
    code: str,
    options: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
) -> Any:
    """Run code in the guest, and return the JSON that it prints."""
    done = run(site, code, options, env)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@contextlib.contextmanager
def running(site: Site, code: str, options: Mapping[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a guest that prints when it is ready. At the end of the block its input ends, and the run is cancelled."""
    with site.engine.popen(
        sys.executable,
        "app.py",
        code,
        cwd=site.directory,
        env={"OPTIONS": json.dumps(options)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        guard = threading.Timer(SECONDS, process.kill)  # so that no wait for a line lasts longer
        guard.start()
        try:
            if process.stdout.readline() != b"ready\n":
                pytest.fail(process.stderr.read().decode())
            yield process
            process.terminate()
            process.communicate(timeout=SECONDS)
        finally:
            guard.cancel()
            process.kill()


def inspect(engine: Engine, container: str) -> Any:
    return json.loads(engine.cli("container", "inspect", container))[0]


def bound_addresses(engine: Engine, container: str) -> set[str]:
    """Return the host addresses to which the engine says that it binds the guest's port."""
    rows = inspect(engine, container)["NetworkSettings"]["Ports"][f"{PORT}/tcp"]
    return {row["HostIp"] for row in rows}


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as server:
        port: int = server.getsockname()[1]
    return port


def answered(port: int) -> bytes:
    """Return the answer on a port of this host, as soon as there is one."""
    deadline, pause = time.monotonic() + SECONDS, threading.Event()
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if found := answer(LOOPBACK, port):
                return found
        pause.wait(0.05)
    return b""


def answer(address: str, port: int) -> bytes:
    with socket.create_connection((address, port), timeout=SECONDS) as connection:
        return connection.makefile("rb").read()


# Ports --------------------------------------------------------------------------------------------


def test_a_port_is_published_on_loopback_only(engine: Engine, site: Site, name: str) -> None:
    port = free_port()
    with running(site, SERVE, {"ports": [f"{port}:{PORT}"], "name": name}):
        assert answer(LOOPBACK, port) == b"hello from the guest"
        assert bound_addresses(engine, name) == {LOOPBACK}
        with pytest.raises(ConnectionRefusedError):
            answer(OTHER_LOOPBACK, port)


def test_a_public_port_is_published_on_every_address(engine: Engine, site: Site, name: str) -> None:
    port = free_port()
    with running(site, SERVE, {"ports": [f"{port}:{PORT}"], "name": name, "public": True}):
        assert answer(OTHER_LOOPBACK, port) == b"hello from the guest"
        addresses = bound_addresses(engine, name)
        assert addresses
        assert addresses <= {"", "0.0.0.0", "::"}


def test_a_port_chosen_by_the_engine_is_shown(site: Site) -> None:
    with running(site, SERVE, {"ports": [f"0:{PORT}"]}) as process:
        assert process.stderr is not None
        reported = process.stderr.readline().decode()
        match = re.search(rf"port {PORT}/tcp of the guest is 127\.0\.0\.1:(\d+) here", reported)
        assert match, reported
        assert answer(LOOPBACK, int(match[1])) == b"hello from the guest"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1"])
def test_a_server_on_the_loopback_of_the_guest_is_reached(site: Site, address: str) -> None:
    family = "socket.AF_INET6" if ":" in address else "socket.AF_INET"
    server = SERVE.replace('("", 8080)', f'("{address}", 8080), family={family}')
    port = free_port()
    with running(site, server, {"ports": [f"{port}:{PORT}"]}):
        assert answered(port) == b"hello from the guest"


def test_a_server_that_moves_from_loopback_to_all_addresses_finds_its_port_free(site: Site) -> None:
    server = SERVE.replace(
        'server = socket.create_server(("", 8080))',
        """\
with socket.create_server(("127.0.0.1", 8080)) as first:
    print("ready", flush=True)
    first.accept()[0].close()
while True:
    try:
        server = socket.create_server(("", 8080))
        break
    except OSError:
        pass
""",
    )
    port = free_port()
    with running(site, server, {"ports": [f"{port}:{PORT}"]}):
        assert answered(port) == b"hello from the guest"


def test_waiting_for_a_port_that_is_listened_on_on_loopback_succeeds(
    engine: Engine, site: Site, name: str
) -> None:
    server = SERVE.replace('""', '"127.0.0.1"')
    options = {"ports": [f"0:{PORT}"], "name": name, "detach": True, "wait_for": f"port:{PORT}"}
    done = run(site, server, options)
    try:
        assert done.returncode == 0, done.stderr.decode()
    finally:
        engine.cli("rm", "--force", "--volumes", name)


def test_localhost_has_an_ipv6_address_in_the_guest(site: Site) -> None:
    code = "import socket; print(socket.create_server(('::1', 0), family=socket.AF_INET6).fileno() > 0)"
    assert run(site, code).stdout == b"True\n"


def test_a_server_on_the_loopback_of_the_guest_is_reported(
    site: Site,
) -> None:
    server = SERVE.replace('""', '"127.0.0.1"')
    with running(site, server, {"ports": [f"0:{PORT}"], "loopback_relay": False}) as process:
        assert process.stderr is not None
        process.stderr.readline()  # the line with the port that the engine chose
        reported = process.stderr.readline().decode()
        assert reported.startswith(
            f"buildr: port {PORT} is published, but the script listens on"
        ), reported


def test_a_taken_port_is_an_error_that_names_it(site: Site) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        done = run(site, "print('ran')", {"ports": [f"{port}:{PORT}"]})
    assert (done.returncode, done.stdout) == (FAILED, b"")
    said = done.stderr.decode()
    assert str(port) in said
    assert "choose another host port" in said
    assert "Traceback" not in said


# Environment --------------------------------------------------------------------------------------

HOSTILE = {
    "BLANKS": "  a  b ",
    "BACKSLASH": "a\\nb\\",
    "DOLLAR": "$HOME ${PATH} $$ `id` $(id)",
    "EMPTY": "",
    "EQUALS": "=a=b=",
    "HASH": "# no comment",
    "LINES": "one\ntwo\r\n\tthree\n",
    "QUOTES": 'it\'s "quoted"',
    "UNICODE": "grüße 日本 🐍",
    "with.dots-and-dashes": "1",
}


def test_values_arrive_exactly(site: Site) -> None:
    found = printed(site, ENVIRONMENT, {"env": HOSTILE})
    assert {key: found.get(key) for key in HOSTILE} == HOSTILE


def test_none_passes_the_value_of_the_host(site: Site) -> None:
    found = printed(
        site, ENVIRONMENT, {"env": {"GIVEN": None, "ABSENT": None}}, {"GIVEN": "of the\nhost"}
    )
    assert found["GIVEN"] == "of the\nhost"
    assert "ABSENT" not in found


def test_no_other_variable_is_passed(site: Site) -> None:
    leaks = {
        "AWS_SECRET_ACCESS_KEY": "secret",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
        "TERM": "xterm",  # there is none without a terminal
        "http_proxy": "http://127.0.0.1:9",
    }
    found = printed(site, ENVIRONMENT, env=leaks)
    found.pop("LANG", None)  # the host's, if it has one
    assert re.fullmatch("[0-9a-f]{12}", found.pop("HOSTNAME"))  # set by the container itself
    assert {key: value for key, value in found.items() if not key.startswith("LC_")} == {
        "BUILDR_IN_CONTAINER": "true",
        "HOME": "/home/app",
        "METAPARTICLE_IN_CONTAINER": "true",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": "/usr/local/lib/buildr",
    }


def test_time_zone_and_locale_are_passed(site: Site) -> None:
    given = {"TZ": "Asia/Kolkata", "LANG": "C.UTF-8", "LANGUAGE": "de:en", "LC_TIME": "C"}
    found = printed(site, ENVIRONMENT, env=given)
    found["TZ"] = found["TZ"].replace("IST-5:30", "Asia/Kolkata")  # without time zone data
    assert {key: found.get(key) for key in given} == given


# Mounts -------------------------------------------------------------------------------------------


def test_files_written_by_the_guest_belong_to_the_user(engine: Engine, site: Site) -> None:
    site.write({"out/before": ""})
    code = "os.makedirs('/out/sub'); print('text', file=open('/out/sub/file', 'w'))"
    done = run(site, code, {"mounts": [f"{site.directory}/out:/out"]})
    assert done.returncode == 0, done.stderr.decode()
    file = site.directory / "out/sub/file"
    assert file.read_text() == "text\n"
    assert (file.stat().st_uid, file.parent.stat().st_uid) == (engine.uid, engine.uid)


class OfGroup(Engine):
    """Docker for an unprivileged user who can open its socket as a member of the group."""

    def __init__(self, docker: Engine, member: Engine) -> None:
        self.__dict__.update(docker.__dict__)
        self.user, self.uid, self.home = member.user, member.uid, member.home
        self.environ = {**docker.environ, "HOME": member.home}
        self.socket = Path(docker.environ["DOCKER_HOST"].removeprefix("unix://"))

    def command(self, *words: str) -> list[str]:
        user, group = f"--reuid={self.user}", f"--regid={self.user}"
        return ["setpriv", user, group, f"--groups={self.socket.stat().st_gid}", *words]


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_files_written_with_rootful_docker_belong_to_the_user(
    engine: Engine, rootless_podman: Engine
) -> None:
    if engine.user == rootless_podman.user:
        pytest.skip("the tests run as a plain user; the test above covers that")
    for site in make_site(OfGroup(engine, rootless_podman)):
        site.write({"app.py": SCRIPT.format(name=site.name), "out/before": ""})
        done = run(site, "print('text', file=open('/out/file', 'w'))", {"mounts": ["./out:/out"]})
        assert done.returncode == 0, done.stderr.decode()
        assert (site.directory / "out/file").stat().st_uid == rootless_podman.uid


def test_a_read_only_mount_refuses_to_be_written(site: Site) -> None:
    site.write({"in/file": "from the host"})
    code = """
with open("/in/file") as file:
    found = [file.read()]
for path in ("/in/file", "/in/new"):
    try:
        open(path, "w")
    except OSError as error:
        found.append(error.errno)
print(json.dumps(found))
"""
    found = printed(site, code, {"mounts": [f"{site.directory}/in:/in:ro"]})
    assert found == ["from the host", errno.EROFS, errno.EROFS]
    assert not (site.directory / "in/new").exists()


def test_a_relative_source_starts_from_the_current_directory(site: Site) -> None:
    site.write({"in/file": "from the host"})
    found = printed(site, "print(json.dumps(os.listdir('/in')))", {"mounts": ["./in:/in:ro"]})
    assert found == ["file"]


def test_a_named_volume_keeps_what_was_written(engine: Engine, site: Site, name: str) -> None:
    options = {"mounts": [f"{name}:/data"]}
    try:
        done = run(site, "print('kept', file=open('/data/file', 'w'))", options)
        assert done.returncode == 0, done.stderr.decode()
        done = run(site, "print(open('/data/file').read())", options)
        assert done.stdout == b"kept\n\n"
    finally:
        engine.cli("volume", "rm", name)


def test_a_volume_belongs_to_the_guest_and_mounted_files_to_the_user(
    engine: Engine, site: Site, name: str
) -> None:
    """With a writable mount the guest runs as another user than the one for whom the volume was created."""
    site.write({"out/there": ""})
    code = (
        "print('x', file=open('/data/' + sys.argv[2], 'w')); print(json.dumps(os.listdir('/data')))"
    )
    both = {"mounts": [f"{name}:/data", "./out:/out"]}
    try:
        done = site.run(
            "app.py", code, "first", env={"OPTIONS": json.dumps({"mounts": [f"{name}:/data"]})}
        )
        assert json.loads(done.stdout) == ["first"], done.stderr.decode()
        code += "; open('/out/new', 'w')"
        done = site.run("app.py", code, "second", env={"OPTIONS": json.dumps(both)})
        assert sorted(json.loads(done.stdout)) == ["first", "second"], done.stderr.decode()
        assert (site.directory / "out" / "new").stat().st_uid == engine.uid
    finally:
        engine.cli("volume", "rm", name)


def test_a_tmpfs_is_empty_and_writable_with_its_size(site: Site) -> None:
    code = """
open("/scratch/deep/new", "w").close()
found = os.statvfs("/scratch/deep")
print(json.dumps([os.listdir("/etc/ssl"), found.f_blocks * found.f_frsize, found.f_flag & os.ST_NOEXEC]))
"""
    found = printed(site, code, {"tmpfs": ["/etc/ssl", "/scratch/deep:size=1m"]})
    assert found == [[], MIB, os.ST_NOEXEC]


def test_a_file_of_variables_reaches_the_guest(site: Site) -> None:
    site.write({".env": "A='two words'\nexport B=$HOME # a comment\nC=1\nFROM_HOST\n"})
    options = {"env_file": ".env", "env": {"C": "2"}}
    found = printed(site, ENVIRONMENT, options, {"FROM_HOST": "host"})
    assert {name: found[name] for name in ("A", "B", "C", "FROM_HOST")} == {
        "A": "two words",
        "B": "$HOME",
        "C": "2",
        "FROM_HOST": "host",
    }


@pytest.mark.parametrize("suffix", ["", ":ro", ":z"])
def test_a_missing_source_is_an_error_that_names_it(site: Site, suffix: str) -> None:
    done = run(site, "print('ran')", {"mounts": [f"./absent:/in{suffix}"]})
    assert (done.returncode, done.stdout) == (FAILED, b"")
    said = done.stderr.decode()
    assert f"{site.directory}/absent" in said
    assert "Traceback" not in said
    assert not (site.directory / "absent").exists()


# Limits -------------------------------------------------------------------------------------------

LIMITS = """
def read(*paths):
    for path in paths:
        if os.path.exists("/sys/fs/cgroup/" + path):
            return open("/sys/fs/cgroup/" + path).read().split()
cpu = read("cpu.max") or read("cpu/cpu.cfs_quota_us") + read("cpu/cpu.cfs_period_us")
print(json.dumps([int(cpu[0]) / int(cpu[1]), int(read("memory.max", "memory/memory.limit_in_bytes")[0])]))
"""
UNLIMITED = Path("/sys/fs/cgroup/cgroup.controllers")
"""Absent on hosts with version 1 of cgroups, where only root can set limits."""


def test_limits_apply_or_are_reported_as_ignored(engine: Engine, site: Site) -> None:
    options = {"cpus": 0.5, "memory": "256m"}
    if engine.name == "podman-rootless" and not UNLIMITED.exists():
        done = run(site, "print('ran')", options)
        assert (done.returncode, done.stdout) == (0, b"ran\n")
        said = done.stderr.decode()
        assert said.count("\n") == 1
        assert "cpus and memory will not hold" in said
    else:
        assert printed(site, LIMITS, options) == [0.5, 256 * MIB]


def test_a_home_directory_is_kept_for_the_next_runs(site: Site) -> None:
    write = "path = os.path.expanduser('~/.cache/big'); os.makedirs(os.path.dirname(path), exist_ok=True); "
    write += "open(path, 'a').write('x'); print(open(path).read(), os.stat(path).st_uid)"
    for expected in (b"x 1000\n", b"xx 1000\n"):
        done = run(site, write, {"cache_home": True})
        assert (done.returncode, done.stdout) == (0, expected), done.stderr.decode()
    assert run(site, write).stdout == b"x 1000\n"
    [volume] = [
        name
        for name in site.engine.cli("volume", "ls", "--quiet").split()
        if name.endswith(hashlib.sha256(os.fsencode(site.directory)).hexdigest()[:16])
    ]
    site.engine.cli("volume", "rm", volume)  # not by prune, which takes those of other tests, too


def test_a_script_that_fills_shared_memory_is_told_which_option_makes_it_larger(site: Site) -> None:
    code = """\
import mmap
size = 8 << 20
with open("/dev/shm/full", "w+b") as file:
    file.truncate(size)
    mmap.mmap(file.fileno(), size)[:] = bytes([1]) * size
"""
    done = run(site, code, {"shm_size": "1m"})
    assert done.returncode == 128 + signal.SIGBUS
    assert b"/dev/shm is full: its size is 1 MiB (runtime.shm_size, --shm-size)" in done.stderr


def test_shared_memory_has_the_requested_size(site: Site) -> None:
    code = """
of = os.statvfs("/dev/shm")
print(json.dumps(of.f_blocks * of.f_frsize))
"""
    assert printed(site, code) == 64 * MIB
    assert printed(site, code, {"shm_size": "3m"}) == 3 * MIB


PROCESSES = """
import resource
limits = [resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_NPROC)]
for path in ("pids.max", "pids/pids.max"):
    if os.path.exists("/sys/fs/cgroup/" + path):
        limits.append(open("/sys/fs/cgroup/" + path).read().strip())
print(json.dumps(limits))
"""


def test_processes_have_the_requested_limits(engine: Engine, site: Site) -> None:
    # Without the option, rootful Podman raises the number of processes, which root may not be allowed to.
    options: dict[str, Any] = {"ulimits": {"nofile": [100, 200], "nproc": 900}}
    bounded = engine.name != "podman-rootless" or UNLIMITED.exists()
    if bounded:
        options["pids_limit"] = 50
    files, threads, *processes = printed(site, PROCESSES, options)
    assert (files, threads) == ([100, 200], [900, 900])
    assert not bounded or processes == ["50"]


# Devices ------------------------------------------------------------------------------------------


def test_a_device_has_the_requested_path(site: Site) -> None:
    code = """
file = open("/dev/nothing", "rb")
print(json.dumps([os.major(os.fstat(file.fileno()).st_rdev), len(file.read())]))
"""
    assert printed(site, code, {"devices": ["/dev/null:/dev/nothing:r"]}) == [1, 0]


def test_a_missing_gpu_is_reported_with_advice(site: Site) -> None:
    done = run(site, "print('ran')", {"gpus": "all"})
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (FAILED, b"")
    assert "nvidia-ctk" in said
    assert "Traceback" not in said


# Networks -----------------------------------------------------------------------------------------

DEFAULT_ROUTE = """
rows = [line.split() for line in open("/proc/net/route")][1:]
print(json.dumps(any(row[1] == "00000000" for row in rows)))
"""


@pytest.fixture
def network(engine: Engine) -> Iterator[str]:
    name = f"buildr-test-{secrets.token_hex(4)}"
    engine.cli("network", "create", "--label", "of=buildr-test", name)
    yield name
    engine.cli("network", "rm", name)


def asking(*names: str) -> str:
    """Return the code of a guest that prints the greetings of servers with these names."""
    # Podman's name server restarts when a container joins, and may be unavailable for a moment.
    return f"""
import socket, time
until = time.monotonic() + {SECONDS}
said = []
for name in {names}:
    while True:
        try:
            connection = socket.create_connection((name, 8080), {SECONDS})
            break
        except socket.gaierror:
            if time.monotonic() > until:
                raise
    said.append(connection.makefile().read())
print(json.dumps(said))
"""


def test_guests_in_a_network_resolve_each_other_by_name(site: Site, network: str) -> None:
    with running(site, SERVE, {"network": network, "name": f"{network}-server"}):
        asked = asking(f"{network}-server")
        assert printed(site, asked, {"network": network}) == ["hello from the guest"]


def test_a_guest_has_its_names_in_each_of_several_networks(
    engine: Engine, site: Site, network: str
) -> None:
    other = f"{network}-other"
    engine.cli("network", "create", "--label", "of=buildr-test", other)
    try:
        both = [f"{network}:alias=web", {"name": other, "aliases": ["db", "store"]}]
        with running(site, SERVE, {"network": both}):
            # Each name is valid in its own network: a container in either network reaches the guest there.
            hello = "hello from the guest"
            assert printed(site, asking("web"), {"network": network}) == [hello]
            assert printed(site, asking("db", "store"), {"network": other}) == [hello, hello]
        done = run(site, "print('ran')", {"network": [network, f"{other}-absent"]})
        said = done.stderr.decode()
        assert (done.returncode, done.stdout) == (FAILED, b""), said
        assert "network create" in said
    finally:
        engine.cli("network", "rm", other)


def test_a_guest_may_have_no_network(site: Site) -> None:
    assert printed(site, DEFAULT_ROUTE) is True
    assert printed(site, DEFAULT_ROUTE, {"network": "none"}) is False


def test_a_guest_in_the_network_of_the_host_is_reported(site: Site) -> None:
    with socket.create_server((LOOPBACK, 0)) as listening:
        port = listening.getsockname()[1]
        code = f"""
import socket
socket.create_connection(("{LOOPBACK}", {port}), {SECONDS}).close()
print("reached")
"""
        done = run(site, code, {"network": "host"})
    assert (done.returncode, done.stdout) == (0, b"reached\n"), done.stderr.decode()
    assert b"warning: the guest shares the network of the engine's host" in done.stderr


def test_a_missing_network_is_reported(site: Site) -> None:
    name = f"buildr-test-{secrets.token_hex(4)}"
    done = run(site, "print('ran')", {"network": name})
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (FAILED, b"")
    assert name in said
    assert "network create" in said


# Rights -------------------------------------------------------------------------------------------

STATUS = """
fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({key: int(fields[key], 16) for key in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs")}))
"""


def test_no_guest_can_gain_rights(site: Site) -> None:
    found = printed(site, STATUS)
    assert (found["NoNewPrivs"], found["CapEff"]) == (1, 0)


def test_a_hardened_guest_has_no_capability(site: Site) -> None:
    site.write({"out/before": ""})
    # With a writable mount, it is uid 0 on a rootless engine.
    options = {"hardened": True, "mounts": ["./out:/out"]}
    found = printed(site, STATUS, options)
    assert found == {"CapEff": 0, "CapPrm": 0, "CapBnd": 0, "NoNewPrivs": 1}


def test_a_hardened_guest_writes_only_to_its_home_and_tmp(site: Site) -> None:
    code = """
found = {}
for folder in ("/", "/app", "/usr/local/lib/buildr", "/tmp", os.environ["HOME"]):
    try:
        open(folder + "/new", "w").close()
        found[folder] = 0
    except OSError as error:
        found[folder] = error.errno
print(json.dumps(found))
"""
    assert printed(site, code, {"hardened": True}) == {
        "/": errno.EROFS,
        "/app": errno.EROFS,
        "/usr/local/lib/buildr": errno.EROFS,
        "/tmp": 0,
        "/home/app": 0,
    }


# Name ---------------------------------------------------------------------------------------------


def test_a_container_has_the_requested_name(engine: Engine, site: Site, name: str) -> None:
    with running(site, WAIT, {"name": name}):
        assert inspect(engine, name)["Name"].lstrip("/") == name


def test_a_taken_name_is_an_error_that_names_it(engine: Engine, site: Site, name: str) -> None:
    with running(site, WAIT, {"name": name}):
        before = engine.containers()
        done = run(site, "print('ran')", {"name": name})
        assert engine.containers() == before
    assert (done.returncode, done.stdout) == (FAILED, b"")
    said = done.stderr.decode()
    assert f"another container named {name}" in said
    assert "Traceback" not in said
