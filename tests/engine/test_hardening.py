"""The isolation of a guest, seen from inside and outside: rights, file systems, ports."""

from __future__ import annotations

import json
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.images import Site, site
from tests.engine.test_ports_env_mounts import LOOPBACK, PORT, SERVE, answer, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

# Docker's default set, a superset of Podman's: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID,
# SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP (capability.h).
DEFAULT_CAPABILITIES = 0xA80425FB

SCRIPT = """\
import json, os, sys
from buildr import Containerize

@Containerize(package={{"name": {name!r}}}, runtime=json.loads(os.environ.get("OPTIONS", "{{}}")))
def main():
    exec(sys.argv[1], globals())

if __name__ == "__main__":
    main()
"""
LOOK = """
status = dict(line.rstrip("\\n").split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
mounts = []
for line in open("/proc/self/mountinfo"):
    before, after = line.split(" - ")
    fields = before.split()
    mounts.append([fields[4], fields[5].split(","), after.split()[0]])
refused = {}
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper", "/proc/irq/0/smp_affinity"):
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        refused[path] = True
print(json.dumps({
    "status": status,
    "mounts": mounts,
    "refused": sorted(refused),
    "devices": sorted(name for name in os.listdir("/dev")),
    "sockets": [p for p in ("/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock") if os.path.exists(p)],
    "processes": sum(name.isdecimal() for name in os.listdir("/proc")),
}))
"""
ONLY = {
    "core",
    "fd",
    "full",
    "mqueue",
    "null",
    "ptmx",
    "pts",
    "random",
    "shm",
    "stderr",
    "stdin",
    "stdout",
    "tty",
    "urandom",
    "zero",
    "console",
}


@pytest.fixture(scope="module")
def project(engine: Engine) -> Iterator[Site]:
    for made in site(engine):
        made.write({"app.py": SCRIPT.format(name=made.name)})
        yield made


def seen(project: Site, options: Mapping[str, Any]) -> dict[str, Any]:
    done = project.run("app.py", LOOK, env={"OPTIONS": json.dumps(options)})
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check_walls(found: Mapping[str, Any]) -> None:
    """Check what holds for every guest, hardened or not."""
    status = found["status"]
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"  # SECCOMP_MODE_FILTER
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["0"] * 4
    assert status["Groups"].split() in ([], ["0"])
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert len(found["refused"]) == 4
    assert set(found["devices"]) <= ONLY
    assert found["sockets"] == []
    assert found["processes"] == 2  # the first process and the script, none of the host
    # No file system of the host is mounted, except for the files that the engine itself provides.
    virtual = {
        "overlay",
        "fuse.fuse-overlayfs",
        "proc",
        "sysfs",
        "tmpfs",
        "devpts",
        "mqueue",
        "cgroup",
        "cgroup2",
    }
    other = {point for point, _, kind in found["mounts"] if kind not in {*virtual, "devtmpfs"}}
    assert other <= {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv"}
    assert all(
        p.startswith(("/dev/", "/proc/")) for p, _, kind in found["mounts"] if kind == "devtmpfs"
    )


def test_a_guest_has_no_rights_and_cannot_gain_any(project: Site) -> None:
    found = seen(project, {})
    check_walls(found)
    assert int(found["status"]["CapBnd"], 16) & ~DEFAULT_CAPABILITIES == 0


def test_a_hardened_guest_has_a_read_only_root_and_memory_to_write_to(project: Site) -> None:
    found = seen(project, {"hardened": True})
    check_walls(found)
    assert int(found["status"]["CapBnd"], 16) == 0
    mounts = {point: (options, kind) for point, options, kind in found["mounts"]}
    assert "ro" in mounts["/"][0]
    for point in ("/tmp", "/home/app"):
        options, kind = mounts[point]
        assert kind == "tmpfs"
        assert {"rw", "nosuid", "nodev", "noexec"} <= set(options)


def own_address() -> str | None:
    """Return an address by which other machines reach this host. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737); only looks up the route
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return address


def test_other_machines_reach_only_public_ports(project: Site) -> None:
    address = own_address()
    if address is None or address.startswith("127."):
        pytest.skip("this host has no address beside its loopback")
    for public in (False, True):
        port = free_port()
        options = {"ports": [f"{port}:{PORT}"], "public": public, "grace_seconds": 1}
        with project.engine.popen(
            *(sys.executable, "app.py", SERVE.replace('"ready")', '"ready", flush=True)')),
            cwd=project.directory,
            env={"OPTIONS": json.dumps(options)},
        ) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == b"ready\n"
                assert answer(LOOPBACK, port) == b"hello from the guest"
                if public:
                    assert answer(address, port) == b"hello from the guest"
                else:
                    with pytest.raises(OSError, match="refused"):
                        answer(address, port)
            finally:
                process.terminate()
                process.communicate(timeout=60)
